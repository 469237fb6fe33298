#include "edgecore/jpeg.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "files.h"
#include "pictures.h"
#include "scratch.h"

using namespace edgecore;
using namespace edgecore::test;

namespace fs = std::filesystem;

namespace {

Frame flat(std::int32_t width_px, std::int32_t height_px, const Look& look, std::array<int, 3> yuv) {
  return make_frame(width_px, height_px, look,
                    [&](int index, std::int32_t, std::int32_t) { return yuv[static_cast<std::size_t>(index)]; });
}

/// Sample of a 4:4:4 frame, as (Y, U, V).
std::array<int, 3> pixel(const Frame& frame, std::int32_t x, std::int32_t y) {
  return {component(frame, 0).row(y)[x], component(frame, 1).row(y)[x], component(frame, 2).row(y)[x]};
}

bool near(std::array<int, 3> a, std::array<int, 3> b) {
  return std::abs(a[0] - b[0]) <= 2 && std::abs(a[1] - b[1]) <= 2 && std::abs(a[2] - b[2]) <= 2;
}

constexpr Look kJfif444{PixelLayout::kPlanar, 0, 0, ColorMatrix::kBt601, ColorRange::kFull, ChromaSiting::kCenter};

// 8x8 gray at level 128, hand-made from ITU-T T.81: baseline, one component, DC difference 0, EOB.
const std::string kGrayJpeg = [] {
  std::vector<std::uint8_t> bytes{0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0};
  bytes.insert(bytes.end(), 64, 1);
  const std::vector<std::uint8_t> rest{
      0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0,                               // frame: 8x8, one component
      0xFF, 0xC4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   // DC table: code 0 = size 0
      0xFF, 0xC4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   // AC table: code 0 = EOB
      0xFF, 0xDA, 0, 8, 1, 1, 0x00, 0, 63, 0, 0x3F, 0xFF, 0xD9};                     // scan: bits 0 0, filled with 1
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return std::string(bytes.begin(), bytes.end());
}();

}  // namespace

TEST_CASE("a picture survives the way out and in") {
  const ScratchFolder scratch;
  const Frame before = landscape(53, 37, kJfif444);
  REQUIRE(write_annotated_jpeg(before, {}, {}, scratch.path() / "a.jpg").ok());
  const Result<Frame> after = read_jpeg(scratch.path() / "a.jpg");
  REQUIRE(after.ok());
  CHECK(after->width_px == 53);
  CHECK(after->height_px == 37);
  CHECK(after->chroma_shift_x == 0);
  CHECK(after->range == ColorRange::kFull);
  CHECK(after->siting == ChromaSiting::kCenter);
  double error = 0;
  for (std::int32_t y = 0; y < 37; ++y) {
    for (std::int32_t x = 0; x < 53; ++x) error += std::abs(pixel(*after, x, y)[0] - pixel(before, x, y)[0]);
  }
  CHECK(error / (53 * 37) < 4.0);
}

TEST_CASE("limited range and BT.709 become what JPEG means by YCbCr") {
  const ScratchFolder scratch;
  struct Known { Look look; std::array<int, 3> in, out; };
  const Look nv12_709{PixelLayout::kSemiPlanar, 1, 1, ColorMatrix::kBt709, ColorRange::kLimited, ChromaSiting::kLeft};
  const Look gray{PixelLayout::kGray, 0, 0, ColorMatrix::kBt601, ColorRange::kLimited, ChromaSiting::kLeft};
  const Known known[] = {
      {{}, {16, 128, 128}, {0, 128, 128}},          // black
      {{}, {235, 128, 128}, {255, 128, 128}},       // white
      {{}, {81, 90, 240}, {76, 85, 255}},           // red, BT.601 limited
      {nv12_709, {63, 102, 240}, {76, 85, 255}},    // red, BT.709 limited
      {nv12_709, {32, 240, 118}, {29, 255, 107}},   // blue
      {gray, {126, 0, 0}, {128, 128, 128}},
      {kJfif444, {100, 30, 200}, {100, 30, 200}},   // already so
  };
  for (const Known& colour : known) {
    REQUIRE(write_annotated_jpeg(flat(16, 16, colour.look, colour.in), {}, {}, scratch.path() / "c.jpg").ok());
    const Result<Frame> read = read_jpeg(scratch.path() / "c.jpg");
    REQUIRE(read.ok());
    CHECK(near(pixel(*read, 8, 8), colour.out));
  }
}

TEST_CASE("boxes and captions are drawn, also beyond the picture's edge") {
  const ScratchFolder scratch;
  const Frame gray = flat(160, 120, kJfif444, {60, 128, 128});
  const std::vector<Detection> detections{{0, 0.87F, {40, 40, 120, 100}}, {7, 0.5F, {150, 110, 400, 400}}};
  REQUIRE(write_annotated_jpeg(gray, detections, {"face"}, scratch.path() / "b.jpg").ok());
  const Result<Frame> read = read_jpeg(scratch.path() / "b.jpg");
  REQUIRE(read.ok());
  CHECK(near(pixel(*read, 20, 20), {60, 128, 128}));     // outside
  CHECK(near(pixel(*read, 80, 70), {60, 128, 128}));     // inside
  CHECK(pixel(*read, 80, 40)[0] > 120);                  // the upper line
  CHECK(pixel(*read, 40, 70)[0] > 120);                  // the left line
  int dark = 0;                                          // letters above the box
  for (std::int32_t y = 31; y < 40; ++y) {
    for (std::int32_t x = 40; x < 90; ++x) dark += pixel(*read, x, y)[0] < 40 ? 1 : 0;
  }
  CHECK(dark > 60);
}

TEST_CASE("nothing half-written is left behind") {
  const ScratchFolder scratch;
  const Frame frame = landscape(16, 16, kJfif444);
  REQUIRE(write_annotated_jpeg(frame, {}, {}, scratch.path() / "a.jpg").ok());
  CHECK(names_in(scratch.path()) == std::vector<std::string>{"a.jpg"});
  const Status missing = write_annotated_jpeg(frame, {}, {}, scratch.path() / "none" / "a.jpg");
  REQUIRE(!missing.ok());
  CHECK(missing.error().code == Code::kNotFound);
  fs::create_directory(scratch.path() / "taken.jpg");
  CHECK(!write_annotated_jpeg(frame, {}, {}, scratch.path() / "taken.jpg").ok());
  CHECK(names_in(scratch.path()) == std::vector<std::string>{"a.jpg", "taken.jpg"});
}

TEST_CASE("a gray JPEG is a gray frame") {
  const ScratchFolder scratch;
  const Result<Frame> frame = read_jpeg(scratch.write("gray.jpg", kGrayJpeg));
  REQUIRE(frame.ok());
  CHECK(frame->layout == PixelLayout::kGray);
  CHECK(frame->width_px == 8);
  CHECK(frame->planes[0].data[0] == 128);
}

TEST_CASE("damaged JPEGs are corrupt, missing ones not found") {
  const ScratchFolder scratch;
  REQUIRE(write_annotated_jpeg(landscape(64, 64, kJfif444), {}, {}, scratch.path() / "a.jpg").ok());
  const std::string whole = read_bytes(scratch.path() / "a.jpg");
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, std::size_t{100}, whole.size() / 2, whole.size() - 40}) {
    const Result<Frame> frame = read_jpeg(scratch.write("cut.jpg", whole.substr(0, size)));
    REQUIRE(!frame.ok());
    CHECK(frame.error().code == Code::kCorrupt);
    CHECK(frame.error().message.find("cut.jpg: ") != std::string::npos);
  }
  const Result<Frame> missing = read_jpeg(scratch.path() / "none.jpg");
  REQUIRE(!missing.ok());
  CHECK(missing.error().code == Code::kNotFound);
}
