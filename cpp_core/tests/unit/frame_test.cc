#include "edgecore/frame.h"

#include <doctest/doctest.h>

#include "pictures.h"

using namespace edgecore;
using namespace edgecore::test;

TEST_CASE("digest is FNV-1a over the samples") {
  // "foobar" is a published test vector: 85944171f73967e8 (RFC 9923, appendix C).
  const char* text = "foobar";
  Look gray;
  gray.layout = PixelLayout::kGray;
  const Frame frame = make_frame(3, 2, gray, [&](int, std::int32_t x, std::int32_t y) { return text[y * 3 + x]; });
  CHECK(digest(frame) == 0x85944171f73967e8);
}

TEST_CASE("digest does not see layout, padding or place") {
  Look planar, nv12;
  nv12.layout = PixelLayout::kSemiPlanar;
  const auto sample = [](int index, std::int32_t x, std::int32_t y) { return index * 90 + x * 3 + y; };
  CHECK(digest(make_frame(13, 9, planar, sample)) == digest(make_frame(13, 9, nv12, sample)));
}

TEST_CASE("digest sees one changed sample in any component") {
  const Look look;
  const std::uint64_t before = digest(landscape(12, 8, look));
  for (int changed = 0; changed < 3; ++changed) {
    Frame frame = landscape(12, 8, look);
    const Component samples = component(frame, changed);
    const_cast<std::uint8_t*>(samples.data)[samples.stride_bytes * 3 + 5] ^= 1;
    CHECK(digest(frame) != before);
  }
}

TEST_CASE("a frame that cannot be read says why") {
  Frame frame = landscape(12, 8, {});
  CHECK(check_readable(frame).ok());

  SUBCASE("not in host memory") {
    frame.place = abi::Place::kDmaBuf;
    CHECK(check_readable(frame).error().code == Code::kUnsupported);
  }
  SUBCASE("a plane is missing") {
    frame.planes[2].data = nullptr;
    CHECK(check_readable(frame).error().message == "frame 0: V has no data");
  }
  SUBCASE("a stride is too small") {
    frame.planes[1].stride_bytes = 5;
    CHECK(check_readable(frame).error().message ==
          "frame 0: U has a stride of 5 bytes, but its rows are 6 bytes long");
  }
  SUBCASE("it is empty") {
    frame.height_px = 0;
    CHECK(check_readable(frame).error().message == "frame 0: empty picture, 12x0");
  }
  SUBCASE("4:1:1") {
    frame.chroma_shift_x = 2;
    CHECK(check_readable(frame).error().code == Code::kInvalidArgument);
  }
}
