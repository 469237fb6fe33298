#include "edgecore/source.h"

#include <doctest/doctest.h>

#include <netinet/in.h>
#include <optional>
#include <random>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "edgecore/jpeg.h"
#include "fake_modules.h"
#include "files.h"
#include "h264_stream.h"
#include "pictures.h"
#include "scratch.h"

using namespace edgecore;
using namespace edgecore::test;

namespace fs = std::filesystem;

namespace {

constexpr Look kJfif444{PixelLayout::kPlanar, 0, 0, ColorMatrix::kBt601, ColorRange::kFull, ChromaSiting::kCenter};

/// A folder of three images 8, 16 and 24 pixels wide, and files that are none.
void fill_with_images(const ScratchFolder& scratch) {
  std::int32_t width_px = 8;
  for (const char* name : {"a.JPG", "b.jpeg", "c.jpg"}) {
    REQUIRE(write_annotated_jpeg(landscape(width_px, 8, kJfif444), {}, {}, scratch.path() / name).ok());
    width_px += 8;
  }
  scratch.write("notes.txt", "x");
}

SourceRequest request(const fs::path& path, std::vector<std::int64_t> frames = {}, std::int64_t limit = 0) {
  SourceRequest wanted;
  wanted.uri = path.string();
  wanted.frames = std::move(frames);
  wanted.limit = limit;
  return wanted;
}

/// Indices of all frames, then the error if it ends with one.
struct Outcome {
  std::vector<std::int64_t> indices;
  std::vector<std::int32_t> widths;
  std::vector<std::int64_t> times_us;
  std::optional<Error> error;
};

Outcome play(const SourceRequest& wanted) {
  Outcome outcome;
  Result<std::unique_ptr<Source>> source = open_source(wanted);
  if (!source) {
    outcome.error = source.error();
    return outcome;
  }
  while (true) {
    Result<std::optional<Frame>> frame = (*source)->next();
    if (!frame) {
      outcome.error = frame.error();
      return outcome;
    }
    if (!frame->has_value()) return outcome;
    outcome.indices.push_back((*frame)->index);
    outcome.widths.push_back((*frame)->width_px);
    outcome.times_us.push_back((*frame)->pts_us);
  }
}

}  // namespace

TEST_CASE("a directory gives its images in the order of their names") {
  const ScratchFolder scratch;
  fill_with_images(scratch);
  const Outcome all = play(request(scratch.path()));
  CHECK(!all.error);
  CHECK(all.indices == std::vector<std::int64_t>{0, 1, 2});
  CHECK(all.widths == std::vector<std::int32_t>{8, 16, 24});
}

TEST_CASE("frames and limit choose among them without renumbering") {
  const ScratchFolder scratch;
  fill_with_images(scratch);
  CHECK(play(request(scratch.path(), {0, 2})).indices == std::vector<std::int64_t>{0, 2});
  CHECK(play(request(scratch.path(), {}, 2)).indices == std::vector<std::int64_t>{0, 1});
  CHECK(play(request(scratch.path(), {1, 2}, 1)).indices == std::vector<std::int64_t>{1});

  const Outcome beyond = play(request(scratch.path(), {1, 7}));
  CHECK(beyond.indices == std::vector<std::int64_t>{1});
  REQUIRE(beyond.error);
  CHECK(beyond.error->code == Code::kNotFound);
  CHECK(beyond.error->message == scratch.path().string() + ": frame 7 was asked for, but there are only 3");

  for (const std::vector<std::int64_t>& frames : {std::vector<std::int64_t>{2, 1}, {1, 1}, {-1}}) {
    const Outcome refused = play(request(scratch.path(), frames));
    REQUIRE(refused.error);
    CHECK(refused.error->code == Code::kInvalidArgument);
  }
  CHECK(play(request(scratch.path(), {}, -1)).error->code == Code::kInvalidArgument);
}

SourceRequest looped(const fs::path& path, std::int64_t limit) {
  SourceRequest wanted = request(path, {}, limit);
  wanted.loop = true;
  return wanted;
}

TEST_CASE("a loop starts again at the end and goes on counting, up to the limit") {
  const ScratchFolder scratch;
  fill_with_images(scratch);
  const Outcome folder = play(looped(scratch.path(), 7));
  CHECK(!folder.error);
  CHECK(folder.indices == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6});
  CHECK(folder.widths == std::vector<std::int32_t>{8, 16, 24, 8, 16, 24, 8});
  const Outcome image = play(looped(scratch.path() / "c.jpg", 3));
  CHECK(!image.error);
  CHECK(image.indices == std::vector<std::int64_t>{0, 1, 2});
}

TEST_CASE("each round of a loop reads what is there then, and an error ends it") {
  const ScratchFolder scratch;
  fill_with_images(scratch);
  Result<std::unique_ptr<Source>> source = open_source(looped(scratch.path(), 0));
  REQUIRE(source.ok());
  CHECK((*source)->describe() == "3 JPEG images, again and again");
  for (int at = 0; at < 3; ++at) REQUIRE((*source)->next().ok());
  fs::remove(scratch.path() / "a.JPG");
  const Result<std::optional<Frame>> fourth = (*source)->next();
  REQUIRE(fourth.ok());
  CHECK((*fourth)->index == 3);
  CHECK((*fourth)->width_px == 16);
  REQUIRE((*source)->next().ok());
  fs::remove_all(scratch.path());
  const Result<std::optional<Frame>> gone = (*source)->next();
  REQUIRE_FALSE(gone.ok());
  CHECK(gone.error().code == Code::kNotFound);
}

TEST_CASE("a loop refuses chosen frames, streams and what cannot be opened at all") {
  const ScratchFolder scratch;
  fill_with_images(scratch);
  SourceRequest chosen = looped(scratch.path(), 0);
  chosen.frames = {1};
  for (const SourceRequest& wanted : {chosen, looped("rtsp://127.0.0.1:1/live", 0), looped(scratch.path(), -1)}) {
    const Outcome refused = play(wanted);
    REQUIRE(refused.error);
    CHECK(refused.error->code == Code::kInvalidArgument);
  }
  CHECK(play(looped(scratch.path() / "none.mp4", 0)).error->code == Code::kNotFound);
}

TEST_CASE("one image is known by its bytes, not by its name") {
  const ScratchFolder scratch;
  fill_with_images(scratch);
  fs::rename(scratch.path() / "c.jpg", scratch.path() / "upload.bin");
  const Outcome outcome = play(request(scratch.path() / "upload.bin"));
  CHECK(!outcome.error);
  CHECK(outcome.widths == std::vector<std::int32_t>{24});
}

TEST_CASE("a corrupt image names itself, and the one behind it can still be had") {
  const ScratchFolder scratch;
  fill_with_images(scratch);
  scratch.write("b.jpeg", "\xff\xd8\xff\xe0");
  Result<std::unique_ptr<Source>> source = open_source(request(scratch.path()));
  REQUIRE(source.ok());
  CHECK((*source)->describe() == "3 JPEG images");
  CHECK((*source)->next().ok());
  const Result<std::optional<Frame>> broken = (*source)->next();
  REQUIRE(!broken.ok());
  CHECK(broken.error().code == Code::kCorrupt);
  CHECK(broken.error().message.find("b.jpeg: ") != std::string::npos);
  const Result<std::optional<Frame>> third = (*source)->next();
  REQUIRE(third.ok());
  CHECK((*third)->index == 2);
}

TEST_CASE("what is not there is not found") {
  const ScratchFolder scratch;
  scratch.write("notes.txt", "x");
  const Outcome missing = play(request(scratch.path() / "none.mp4"));
  REQUIRE(missing.error);
  CHECK(missing.error->code == Code::kNotFound);
  fs::create_symlink("loop", scratch.path() / "loop");
  const Outcome loop = play(request(scratch.path() / "loop"));  // as unreadable as a closed folder, for root too
  REQUIRE(loop.error);
  CHECK(loop.error->message == (scratch.path() / "loop").string() + ": " + std::make_error_code(std::errc::too_many_symbolic_link_levels).message());
  const Outcome no_images = play(request(scratch.path()));
  REQUIRE(no_images.error);
  CHECK(no_images.error->code == Code::kNotFound);
  CHECK(no_images.error->message.find("no *.jpg or *.jpeg") != std::string::npos);
}

TEST_CASE("an empty file is corrupt") {
  const ScratchFolder scratch;
  const Outcome outcome = play(request(scratch.write("a.mp4", "")));
  REQUIRE(outcome.error);
  CHECK(outcome.error->code == Code::kCorrupt);
  CHECK(outcome.error->message.find("the file is empty") != std::string::npos);
}

#if EDGECORE_WITH_FFMPEG

TEST_CASE("files that are no video are corrupt, whatever they are called") {
  const ScratchFolder scratch;
  std::string words, noise;
  for (int line = 0; line < 200; ++line) words += "No pictures here, only words.\n";
  std::mt19937 random(7);
  for (int at = 0; at < 20000; ++at) noise += static_cast<char>(random() & 0xFF);
  // An MP4's first box (file type), then nothing.
  const std::string header("\0\0\0\x18" "ftypisom\0\0\2\0isommp41", 24);
  for (const std::string& bytes : {words, noise, header}) {
    for (const char* name : {"a.mp4", "a.bin"}) {
      const Outcome outcome = play(request(scratch.write(name, bytes)));
      REQUIRE(outcome.error);
      CHECK(outcome.error->code == Code::kCorrupt);
      CHECK(outcome.error->message.find(name) != std::string::npos);
      CHECK(!outcome.error->hint.empty());
    }
  }
}

TEST_CASE("motion JPEG without a container is a video") {
  const ScratchFolder scratch;
  fill_with_images(scratch);
  // Raw MJPEG is JPEG after JPEG; a leading byte keeps it from being taken for one image.
  std::string stream(1, '\0');
  for (int copy = 0; copy < 4; ++copy) stream += read_bytes(scratch.path() / "c.jpg");
  const Outcome outcome = play(request(scratch.write("a.mjpeg", stream), {1, 3}));
  CHECK(!outcome.error);
  CHECK(outcome.indices == std::vector<std::int64_t>{1, 3});
  CHECK(outcome.widths == std::vector<std::int32_t>{24, 24});
  SourceRequest on_hardware = request(scratch.path() / "a.mjpeg");
  on_hardware.decoder = "fake";
  const Outcome refused = play(on_hardware);
  REQUIRE(refused.error);
  CHECK(refused.error->code == Code::kUnsupported);
  CHECK(refused.error->message.find("takes H.264 and H.265, and this is mjpeg") != std::string::npos);
  CHECK(refused.error->hint.find("leave out source.decoder") != std::string::npos);
}

TEST_CASE("the times of a looped video go on rising by its interval") {
  const ScratchFolder scratch;
  fill_with_images(scratch);
  std::string stream(1, '\0');
  for (int copy = 0; copy < 3; ++copy) stream += read_bytes(scratch.path() / "c.jpg");
  const Outcome outcome = play(looped(scratch.write("a.mjpeg", stream), 8));
  CHECK(!outcome.error);
  CHECK(outcome.indices == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7});
  // Raw motion JPEG is taken to have 25 pictures a second.
  CHECK(outcome.times_us == std::vector<std::int64_t>{0, 40000, 80000, 120000, 160000, 200000, 240000, 280000});
}

TEST_CASE("a scheme nobody knows is unsupported, a closed port not found") {
  const Outcome scheme = play(request("foo://host/path"));
  REQUIRE(scheme.error);
  CHECK(scheme.error->code == Code::kUnsupported);
  const Outcome port = play(request("rtsp://127.0.0.1:1/live"));
  REQUIRE(port.error);
  CHECK(port.error->code == Code::kNotFound);
}

/// A camera on a free port of this machine that sends `bytes` to one caller and then hangs up or falls silent.
class HastyCamera {
 public:
  enum class Then { kHangUp, kSilence };

  explicit HastyCamera(std::string bytes, Then then = Then::kHangUp)
      : bytes_(std::move(bytes)),
        listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    auto* address = reinterpret_cast<sockaddr*>(&address_);
    REQUIRE(bind(listener_, address, size) == 0);
    REQUIRE(listen(listener_, 1) == 0);
    REQUIRE(getsockname(listener_, address, &size) == 0);
    thread_ = std::thread([this, then] {
      const int caller = accept(listener_, nullptr, nullptr);
      for (std::size_t sent = 0; sent < bytes_.size();) {
        const ssize_t count = send(caller, bytes_.data() + sent, bytes_.size() - sent, MSG_NOSIGNAL);
        if (count <= 0) break;
        sent += static_cast<std::size_t>(count);
      }
      char ignored = 0;
      if (then == Then::kSilence) recv(caller, &ignored, 1, 0);  // until the caller hangs up
      close(caller);
    });
  }
  HastyCamera(const HastyCamera&) = delete;
  HastyCamera& operator=(const HastyCamera&) = delete;
  ~HastyCamera() {
    shutdown(listener_, SHUT_RDWR);  // wakes accept() if nobody called
    thread_.join();
    close(listener_);
  }
  std::string uri() const { return "tcp://127.0.0.1:" + std::to_string(ntohs(address_.sin_port)); }

 private:
  std::string bytes_;
  int listener_;
  sockaddr_in address_{};
  std::thread thread_;
};

TEST_CASE("a camera that hangs up is an error behind its last picture, not the end") {
  const ScratchFolder scratch;
  fill_with_images(scratch);
  std::string stream(1, '\0');
  for (int copy = 0; copy < 4; ++copy) stream += read_bytes(scratch.path() / "c.jpg");
  const HastyCamera camera(stream);
  const Outcome outcome = play(request(camera.uri()));
  CHECK(!outcome.indices.empty());
  REQUIRE(outcome.error);
  CAPTURE(outcome.error->message);
  CHECK(outcome.error->code == Code::kNotFound);
  CHECK(outcome.error->message.find("the camera closed the stream") != std::string::npos);
}

TEST_CASE("so it is where a module decodes what the camera sends") {
  std::vector<H264Picture> pictures(4);
  for (std::size_t at = 0; at < pictures.size(); ++at) pictures[at].level = 100 + static_cast<int>(at);
  pictures[1].words = "damaged";  // a network loses packets: the stream goes on
  const HastyCamera camera(h264_raw(pictures));
  SourceRequest wanted = request(camera.uri());
  wanted.decoder = "fake";
  wanted.backends = fake_modules();
  const Outcome outcome = play(wanted);
  CHECK(outcome.indices == std::vector<std::int64_t>{0, 1, 2});
  REQUIRE(outcome.error);
  CAPTURE(outcome.error->message);
  CHECK(outcome.error->code == Code::kNotFound);
  CHECK(outcome.error->message.find("the camera closed the stream") != std::string::npos);
}

TEST_CASE("whoever waits for a silent camera can be told to stop") {
  const HastyCamera camera("", HastyCamera::Then::kSilence);
  SourceRequest wanted = request(camera.uri());
  wanted.open_timeout_ms = 20000;
  int asked = 0;
  wanted.is_stopped = [&asked] { return ++asked > 3; };
  const Outcome outcome = play(wanted);
  REQUIRE(outcome.error);
  CHECK(asked > 3);
}

#else

TEST_CASE("without FFmpeg a video says what to build") {
  const ScratchFolder scratch;
  const Outcome outcome = play(request(scratch.write("a.mp4", "x")));
  REQUIRE(outcome.error);
  CHECK(outcome.error->code == Code::kUnsupported);
  CHECK(outcome.error->hint.find("EDGECORE_WITH_FFMPEG") != std::string::npos);
}

#endif
