// Video through a module's decoder, beside the same video on the CPU. The fake module's pictures lie where no host may
// read them; what a unit makes it do is in the unit.
#include "edgecore/source.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "fake_modules.h"
#include "h264_stream.h"
#include "pictures.h"
#include "scratch.h"

#if EDGECORE_WITH_FFMPEG

namespace edgecore {
namespace {

using test::H264Picture;

struct Played {
  std::string frames;  // "0:16x16/100@0ms 1:16x16/101@40ms "
  std::string error;
  Code code = Code::kOk;
  std::string hint;
};

/// From next() to the first error or the end.
Played play(Source& source) {
  Played played;
  while (true) {
    const Result<std::optional<Frame>> frame = source.next();
    if (!frame) {
      played.error = frame.error().message;
      played.code = frame.error().code;
      played.hint = frame.error().hint;
      return played;
    }
    if (!frame->has_value()) return played;
    const Result<Frame> host = to_host(**frame);
    REQUIRE(host.ok());
    const Frame& picture = *host;
    CHECK(picture.index == (*frame)->index);
    played.frames += std::to_string(picture.index) + ":" + std::to_string(picture.width_px) + "x" +
                     std::to_string(picture.height_px) + "/" + std::to_string(*picture.planes[0].data) + "@" +
                     std::to_string(picture.pts_us / 1000) + " ";
  }
}

class Clip {
 public:
  /// stem.h264 has no times, stem.flv has.
  Clip(const std::string& name, const std::vector<H264Picture>& pictures) {
    request_.uri = folder_.write(name, name.back() == '4' ? h264_raw(pictures) : h264_flv(pictures)).string();
    request_.backends = test::fake_modules();
    request_.decoder = "fake";
  }
  SourceRequest& request() { return request_; }
  std::string told(const std::string& rest) const { return request_.uri + ": " + rest; }

  Result<std::unique_ptr<Source>> open() { return open_source(request_); }
  Played play() {
    const Result<std::unique_ptr<Source>> source = open();
    if (source) return edgecore::play(**source);
    return {"", source.error().message, source.error().code, source.error().hint};
  }
  Played play_on_cpu() {
    SourceRequest wanted = request_;
    wanted.decoder = "";
    const Result<std::unique_ptr<Source>> source = open_source(wanted);
    REQUIRE_MESSAGE(source.ok(), source.error().message);
    return edgecore::play(**source);
  }

 private:
  test::ScratchFolder folder_;
  SourceRequest request_;
};

/// Levels 100, 101, ..., 40 ms apart from 80 ms on; words: of some, by index.
std::vector<H264Picture> pictures(int count, const std::vector<std::pair<int, std::string>>& words = {}) {
  std::vector<H264Picture> made;
  for (int at = 0; at < count; ++at) made.push_back({16, 100 + at, "", 80 + 40 * at});
  for (const auto& [at, text] : words) made[static_cast<std::size_t>(at)].words = text;
  return made;
}

TEST_CASE("a module's pictures have the numbers and times of the CPU's, in a container and without") {
  for (const char* name : {"clip.flv", "clip.h264"}) {
    CAPTURE(name);
    Clip clip(name, pictures(4));
    const Played played = clip.play();
    CHECK(played.error == "");
    CHECK(played.frames == "0:16x16/100@0 1:16x16/101@40 2:16x16/102@80 3:16x16/103@120 ");
    CHECK(played.frames == clip.play_on_cpu().frames);
  }
}

TEST_CASE("the stream says who decodes it, and its pictures stay where they are") {
  Clip clip("clip.flv", pictures(6));
  const Result<std::unique_ptr<Source>> source = clip.open();
  REQUIRE(source.ok());
  CHECK((*source)->describe() == "h264 16x16 yuv420p 25 fps, decoded by fake");
  const Result<std::optional<Frame>> frame = (*source)->next();
  REQUIRE(frame.ok());
  CHECK((*frame)->place == abi::Place::kDevice);
}

TEST_CASE("pictures that a decoder holds back come in their order, and the last ones at the end") {
  std::vector<H264Picture> mixed = pictures(4, {{0, "hold"}});
  std::swap(mixed[1].time_ms, mixed[2].time_ms);  // the third unit is shown second
  const Played played = Clip("clip.flv", mixed).play();
  CHECK(played.error == "");
  CHECK(played.frames == "0:16x16/100@0 1:16x16/102@40 2:16x16/101@80 3:16x16/103@120 ");
}

TEST_CASE("a unit may give no picture, or two") {
  const Played played = Clip("clip.h264", pictures(4, {{1, "none"}, {2, "two"}})).play();
  CHECK(played.error == "");
  CHECK(played.frames == "0:16x16/100@0 1:16x16/102@40 2:16x16/102@80 3:16x16/103@120 ");
  const Played none = Clip("none.h264", pictures(2, {{0, "none"}, {1, "none"}})).play();
  CHECK(none.code == Code::kCorrupt);
  CHECK(none.error.find("none.h264: no picture could be decoded") != std::string::npos);
}

TEST_CASE("frames, limit and loop choose among a module's pictures") {
  Clip clip("clip.flv", pictures(4));
  clip.request().frames = {1, 3};
  CHECK(clip.play().frames == "1:16x16/101@40 3:16x16/103@120 ");
  clip.request().frames = {1, 9};
  CHECK(clip.play().error == clip.told("frame 9 was asked for, but there are only 4"));
  clip.request().frames = {};
  clip.request().limit = 2;
  CHECK(clip.play().frames == "0:16x16/100@0 1:16x16/101@40 ");
  clip.request().limit = 6;
  clip.request().loop = true;
  CHECK(clip.play().frames ==
        "0:16x16/100@0 1:16x16/101@40 2:16x16/102@80 3:16x16/103@120 4:16x16/100@160 5:16x16/101@200 ");
}

TEST_CASE("a stream that becomes another on the way is followed, wherever its parameter sets are") {
  std::vector<H264Picture> grown = pictures(4);
  grown[2].side_px = grown[3].side_px = 32;
  for (const char* name : {"clip.flv", "clip.h264"}) {
    CAPTURE(name);
    Clip clip(name, grown);
    const Played played = clip.play();
    CHECK(played.error == "");
    CHECK(played.frames == "0:16x16/100@0 1:16x16/101@40 2:32x32/102@80 3:32x32/103@120 ");
    CHECK(played.frames == clip.play_on_cpu().frames);
  }
}

TEST_CASE("damage ends a file behind the pictures before it, those that were held back too") {
  Clip clip("clip.flv", pictures(5, {{0, "hold"}, {3, "damaged"}}));
  const Played played = clip.play();
  CHECK(played.frames == "0:16x16/100@0 1:16x16/101@40 2:16x16/102@80 ");
  CHECK(played.code == Code::kCorrupt);
  CHECK(played.error == clip.told("stream ends at frame 3 (0.08 s of 0.24 s): decoder: slice 3 is damaged"));
  // A recording without an index may begin between two key frames.
  CHECK(Clip("late.flv", pictures(3, {{0, "damaged"}})).play().frames == "0:16x16/101@40 1:16x16/102@80 ");
}

TEST_CASE("a decoder that fails is told behind the pictures before, again and again") {
  Clip clip("clip.flv", pictures(4, {{2, "breaks"}}));
  const Result<std::unique_ptr<Source>> source = clip.open();
  REQUIRE(source.ok());
  const Played played = play(**source);
  CHECK(played.frames == "0:16x16/100@0 1:16x16/101@40 ");
  CHECK(played.code == Code::kSdk);
  CHECK(played.error == clip.told("'fake' decoder: the engine is gone"));
  CHECK(play(**source).error == played.error);
}

TEST_CASE("what a module cannot decode, the CPU may") {
  Clip clip("clip.flv", pictures(2, {{0, "refuses"}}));
  const Played refused = clip.play();
  CHECK(refused.code == Code::kUnsupported);
  CHECK(refused.error == clip.told("'fake' decoder: only 8 bits a sample"));
  CHECK(refused.hint == "leave out source.decoder: the CPU then decodes it");
  clip.request().decoder = "fkae";
  CHECK(clip.play().error.find("no backend named 'fkae'") != std::string::npos);
}

}  // namespace
}  // namespace edgecore

#endif
