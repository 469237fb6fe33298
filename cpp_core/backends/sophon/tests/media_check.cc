// edgecore-sophon-media MODULES FOLDER WHAT [PICTURES]: pictures through the seam, on the stand-ins, whose device
// memory the host can read. WHAT: a model whose input is a picture, into which host pictures and JPEGs go, with
// PICTURES as the engine's option; or h264, h265. FOLDER: for files. A line a case: "NAME levels L to_device N BYTES
// to_host N BYTES", L being the largest difference from the core's preprocess(), or "NAME error CODE TEXT".
// See test_sophon_media.py.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <turbojpeg.h>

#include "edgecore/backend.h"
#include "edgecore/decoder.h"
#include "edgecore/jpeg.h"
#include "edgecore/preprocess.h"
#include "edgecore/source.h"
#include "packets.h"

using namespace edgecore;

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<unsigned char>;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T require(Result<T> result) {
  if (result) return *std::move(result);
  give_up("error " + std::to_string(static_cast<int>(result.error().code)) + " " + result.error().message);
}

void tell(const std::string& name, const Error& error) {
  std::printf("%s error %d %s\n", name.c_str(), static_cast<int>(error.code), error.message.c_str());
}

struct Sampling {
  const char* name;
  PixelLayout layout;
  std::uint8_t shift_x, shift_y;
};
constexpr Sampling kNv12{"nv12", PixelLayout::kSemiPlanar, 1, 1};
constexpr Sampling kI420{"i420", PixelLayout::kPlanar, 1, 1};
constexpr Sampling kI444{"i444", PixelLayout::kPlanar, 0, 0};
constexpr Sampling kI422{"i422", PixelLayout::kPlanar, 1, 0};
constexpr Sampling kGray{"gray", PixelLayout::kGray, 0, 0};

/// A slope of light and two of colour, rows without padding. chroma lies between the luma samples, where the stand-in
/// for VPP takes it to be.
Frame make_frame(const Sampling& sampling, std::int32_t width_px, std::int32_t height_px, int light = 0) {
  Frame frame;
  frame.width_px = width_px;
  frame.height_px = height_px;
  frame.layout = sampling.layout;
  frame.chroma_shift_x = sampling.shift_x;
  frame.chroma_shift_y = sampling.shift_y;
  frame.siting = ChromaSiting::kCenter;
  const std::int32_t chroma_width = frame.chroma_width_px();
  const std::int32_t chroma_height = frame.chroma_height_px();
  const auto luma_bytes = static_cast<std::size_t>(width_px) * static_cast<std::size_t>(height_px);
  const auto chroma_bytes = static_cast<std::size_t>(chroma_width) * static_cast<std::size_t>(chroma_height);
  auto bytes = std::make_shared<Bytes>(luma_bytes + 2 * chroma_bytes);
  for (std::int32_t y = 0; y < height_px; ++y) {
    for (std::int32_t x = 0; x < width_px; ++x) {
      (*bytes)[static_cast<std::size_t>(y * width_px + x)] =
          static_cast<unsigned char>(60 + light + 100 * x / width_px + 50 * y / height_px);
    }
  }
  const bool is_interleaved = sampling.layout == PixelLayout::kSemiPlanar;
  for (std::int32_t y = 0; y < chroma_height; ++y) {
    for (std::int32_t x = 0; x < chroma_width; ++x) {
      const auto at = static_cast<std::size_t>(y * chroma_width + x);
      (*bytes)[luma_bytes + (is_interleaved ? 2 * at : at)] =
          static_cast<unsigned char>(100 + 60 * x / chroma_width);
      (*bytes)[luma_bytes + (is_interleaved ? 2 * at + 1 : chroma_bytes + at)] =
          static_cast<unsigned char>(160 - 70 * y / chroma_height);
    }
  }
  frame.planes[0] = {bytes->data(), width_px};
  if (sampling.layout != PixelLayout::kGray) {
    frame.planes[1] = {bytes->data() + luma_bytes, is_interleaved ? 2 * chroma_width : chroma_width};
  }
  if (sampling.layout == PixelLayout::kPlanar) {
    frame.planes[2] = {bytes->data() + luma_bytes + chroma_bytes, chroma_width};
  }
  frame.owner = std::move(bytes);
  return frame;
}

InputDescription describe_input(const Engine& engine) {
  const Shape& shape = engine.inputs().front().shape;
  InputDescription input;
  input.height_px = static_cast<std::int32_t>(shape[2]);
  input.width_px = static_cast<std::int32_t>(shape[3]);
  input.pad = 114;
  input.mean = {123.675F, 116.28F, 103.53F};
  input.scale = {1 / 58.395F, 1 / 57.12F, 1 / 57.375F};
  return input;
}

/// By how many levels the prepared tensor differs from the CPU's, at most.
double levels_apart(const float* found, const TensorBuffer& expected, const InputDescription& input) {
  const auto plane = static_cast<std::size_t>(input.width_px) * static_cast<std::size_t>(input.height_px);
  double most = 0;
  for (std::size_t at = 0; at < 3 * plane; ++at) {
    const float difference = std::abs(found[at] - static_cast<const float*>(expected.data())[at]);
    most = std::max(most, static_cast<double>(difference / input.scale[at / plane]));
  }
  return most;
}

/// Prepared, compared, run in the next slot in turn; what the run gives must be of the very numbers that were prepared.
void measure(Engine& engine, const std::string& name, const Frame& frame, const InputDescription& input) {
  static std::int32_t slot = 0;
  slot = (slot + 1) % engine.depth();
  const CopyCounts before = engine.copies();
  const Result<TensorView> prepared = engine.prepare(slot, frame, input);
  if (!prepared) return tell(name, prepared.error());
  const CopyCounts after = engine.copies();
  if (prepared->place != Place::kDevice) give_up(name + ": not in device memory");
  const Result<Frame> host = to_host(frame);
  if (!host) return tell(name, host.error());
  TensorBuffer expected(DType::kFloat32, shape_of(input));
  require(preprocess(*host, input, expected));
  const auto count = expected.size_bytes() / sizeof(float);
  const std::vector<float> numbers(prepared->floats(), prepared->floats() + count);
  const double levels = levels_apart(numbers.data(), expected, input);
  if (Status started = engine.submit(slot, {*prepared}); !started) return tell(name, started.error());
  const Result<std::vector<TensorView>> outputs = engine.wait(slot);
  if (!outputs) return tell(name, outputs.error());
  for (const TensorView& output : *outputs) {
    const auto size = static_cast<std::size_t>(element_count(output.shape));
    for (std::size_t at = 0; at < size; ++at) {
      if (output.floats()[at] != 2 * numbers[at] + 1) give_up(name + ": the run took other numbers");
    }
  }
  if (engine.submit(slot, {*prepared})) give_up(name + ": one prepared input went into two runs");
  std::printf("%s levels %.2f to_device %llu %llu to_host %llu %llu\n", name.c_str(), levels,
              static_cast<unsigned long long>(after.to_device - before.to_device),
              static_cast<unsigned long long>(after.to_device_bytes - before.to_device_bytes),
              static_cast<unsigned long long>(after.to_host - before.to_host),
              static_cast<unsigned long long>(after.to_host_bytes - before.to_host_bytes));
}

void measure_host_pictures(Engine& engine) {
  const InputDescription plain = describe_input(engine);
  for (const Sampling& sampling : {kNv12, kI420, kI444, kI422, kGray}) {
    for (const ColorMatrix matrix : {ColorMatrix::kBt601, ColorMatrix::kBt709}) {
      for (const ColorRange range : {ColorRange::kLimited, ColorRange::kFull}) {
        Frame frame = make_frame(sampling, 128, 96);
        frame.matrix = matrix;
        frame.range = range;
        const std::string name = std::string("host ") + sampling.name +
                                 (matrix == ColorMatrix::kBt601 ? " bt601" : " bt709") +
                                 (range == ColorRange::kLimited ? " limited" : " full");
        measure(engine, name, frame, plain);
      }
    }
  }
  InputDescription bgr = plain;
  bgr.order = ColorOrder::kBgr;
  bgr.fit = Fit::kStretch;
  measure(engine, "host bgr stretched", make_frame(kNv12, 72, 200), bgr);
  measure(engine, "host tall", make_frame(kI420, 40, 76), plain);
  measure(engine, "host larger", make_frame(kNv12, 640, 480), plain);
  measure(engine, "host gray larger", make_frame(kGray, 640, 480), plain);
  measure(engine, "host odd", make_frame(kI420, 65, 49), plain);
  measure(engine, "host tiny", make_frame(kI420, 14, 14), plain);
  measure(engine, "host wide", make_frame(kI420, 2048, 16), plain);
  InputDescription nhwc = plain;
  nhwc.layout = Layout::kNhwc;
  measure(engine, "host nhwc", make_frame(kNv12, 64, 64), nhwc);
}

Bytes compress(const Frame& frame, int subsampling) {
  const std::unique_ptr<void, int (*)(void*)> jpeg(tjInitCompress(), tjDestroy);
  const unsigned char* planes[] = {frame.planes[0].data, frame.planes[1].data, frame.planes[2].data};
  const int strides[] = {frame.planes[0].stride_bytes, frame.planes[1].stride_bytes, frame.planes[2].stride_bytes};
  unsigned char* made = nullptr;
  unsigned long size = 0;
  if (tjCompressFromYUVPlanes(jpeg.get(), planes, frame.width_px, strides, frame.height_px, subsampling, &made, &size,
                              95, 0) != 0) {
    give_up(tjGetErrorStr2(jpeg.get()));
  }
  const Bytes bytes(made, made + size);
  tjFree(made);
  return bytes;
}

/// One file through the decoder, as the core's reader of images does it.
Result<Frame> decode(Decoder& decoder, const Bytes& bytes) {
  if (Status pushed = decoder.push(bytes.data(), bytes.size(), 7); !pushed) return pushed.error();
  Result<std::optional<Frame>> frame = decoder.pull();
  if (!frame) return frame.error();
  if (!frame->has_value()) give_up("the decoder gives no picture");
  return **std::move(frame);
}

/// The picture is compared with what libjpeg-turbo makes of the file, to the bit.
void measure_jpeg(Engine& engine, Decoder& decoder, const fs::path& file, const Bytes& bytes) {
  const std::string name = "jpeg " + file.stem().string();
  std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()),
                                              static_cast<std::streamsize>(bytes.size()));
  const Result<Frame> frame = decode(decoder, bytes);
  if (!frame) return tell(name, frame.error());
  const Frame expected = require(read_jpeg(file));
  if (frame->place != Place::kDevice || frame->pts_us != 7) give_up(name + ": not on the device, or not at its time");
  const Result<Frame> host = to_host(*frame);
  if (!host) return tell(name, host.error());
  if (digest(*host) != digest(expected)) give_up(name + ": another picture");
  measure(engine, name, *frame, describe_input(engine));
}

/// As a pipeline with `source: {decoder: sophon}` reads them.
void measure_source(Engine& engine, const fs::path& modules, const fs::path& file) {
  SourceRequest request;
  request.uri = file.string();
  request.decoder = "sophon";
  request.backends = modules;
  const std::unique_ptr<Source> source = require(open_source(request));
  const Result<std::optional<Frame>> frame = source->next();
  if (!frame) return tell("source", frame.error());
  if (!frame->has_value()) give_up("the source gives no picture");
  measure(engine, "source", **frame, describe_input(engine));
}

void measure_jpegs(Engine& engine, Decoder& decoder, const fs::path& folder) {
  const Bytes usual = compress(make_frame(kI420, 128, 96), TJSAMP_420);
  measure_jpeg(engine, decoder, folder / "i420.jpg", usual);
  measure_jpeg(engine, decoder, folder / "i444.jpg", compress(make_frame(kI444, 90, 70), TJSAMP_444));
  measure_jpeg(engine, decoder, folder / "i422.jpg", compress(make_frame(kI422, 128, 96), TJSAMP_422));
  measure_jpeg(engine, decoder, folder / "gray.jpg", compress(make_frame(kGray, 128, 96), TJSAMP_GRAY));
  measure_jpeg(engine, decoder, folder / "odd.jpg", compress(make_frame(kI420, 97, 61), TJSAMP_420));
  Bytes progressive = usual;
  for (std::size_t at = 0; at + 1 < progressive.size(); ++at) {
    if (progressive[at] == 0xFF && progressive[at + 1] == 0xC0) progressive[at + 1] = 0xC2;
  }
  measure_jpeg(engine, decoder, folder / "progressive.jpg", progressive);
  measure_jpeg(engine, decoder, folder / "truncated.jpg", Bytes(usual.begin(), usual.begin() + 300));
  const auto half = static_cast<std::ptrdiff_t>(usual.size() / 2);
  measure_jpeg(engine, decoder, folder / "half.jpg", Bytes(usual.begin(), usual.end() - half));
  measure_jpeg(engine, decoder, folder / "no-jpeg.jpg", Bytes(300, 'x'));
}

struct Kind {
  std::uint8_t bits = 8;
  std::uint8_t matrix = 1;  // BT.709, as H.264 and H.265 number them
};

Bytes make_packet(const Frame& frame, const Kind& kind) {
  constexpr std::uint8_t kFullRange = 2;
  const stub::PacketHeader header{static_cast<std::uint16_t>(frame.width_px),
                                  static_cast<std::uint16_t>(frame.height_px), kind.bits, kind.matrix, kFullRange,
                                  0};
  const auto size = static_cast<std::size_t>(frame.width_px * frame.height_px / 2 * 3);
  Bytes packet(sizeof header + size);
  std::memcpy(packet.data(), &header, sizeof header);
  std::memcpy(packet.data() + sizeof header, frame.planes[0].data, size);
  return packet;
}

enum class Pull { kAfterEach, kAtTheEnd };

/// All pictures, in order, each given back before the next but `kept` of them.
void play(Decoder decoder, const std::string& name, int count, std::size_t kept, const Kind& kind = {},
          Pull pull = Pull::kAfterEach) {
  std::vector<Frame> frames;
  int seen = 0;
  const auto drain = [&]() -> Status {
    while (true) {
      Result<std::optional<Frame>> frame = decoder.pull();
      if (!frame) return frame.error();
      if (!frame->has_value()) return {};
      const Frame expected = make_frame(kNv12, 96, 64, seen);
      const Result<Frame> host = to_host(**frame);
      if (!host) return host.error();
      const bool is_told = (*frame)->matrix == ColorMatrix::kBt709 && (*frame)->range == ColorRange::kFull;
      if (digest(*host) != digest(expected) || (*frame)->pts_us != 40000 * seen || !is_told) {
        give_up("picture " + std::to_string(seen) + " is another one");
      }
      ++seen;
      frames.push_back(**std::move(frame));
      while (frames.size() > kept) frames.erase(frames.begin());
    }
  };
  for (int at = 0; at < count; ++at) {
    const Bytes packet = make_packet(make_frame(kNv12, 96, 64, at), kind);
    const Status pushed = decoder.push(packet.data(), packet.size(), 40000 * at);
    if (!pushed) return tell(name, pushed.error());
    if (pull == Pull::kAtTheEnd) continue;
    if (Status drained = drain(); !drained) return tell(name, drained.error());
  }
  if (Status ended = decoder.push(nullptr, 0, 0); !ended) return tell(name, ended.error());
  if (Status drained = drain(); !drained) return tell(name, drained.error());
  std::printf("%s pictures %d\n", name.c_str(), seen);
}

/// greedy: keeps more than the engine has room for, until it gives up.
void play_videos(const Backend& backend, Codec codec, bool greedy) {
  const auto open = [&] { return require(backend.open_decoder(codec, 0)); };
  if (greedy) return play(open(), "greedy", 40, 9);
  play(open(), "video", 40, 0);
  play(open(), "kept 7", 40, 7);
  play(open(), "deep", 2, 0, {10});
  play(open(), "bt2020", 2, 0, {8, 9});
  play(open(), "empty", 0, 0);
  play(open(), "ahead", 40, 0, {}, Pull::kAtTheEnd);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) give_up("usage: edgecore-sophon-media MODULES FOLDER MODEL [PICTURES] | ... h264|h265 [greedy]");
  const fs::path modules = argv[1];
  const fs::path folder = argv[2];
  const std::string what = argv[3];
  const Backend backend = require(open_backend("sophon", modules));
  if (what == "h264" || what == "h265") {
    play_videos(backend, what == "h264" ? Codec::kH264 : Codec::kH265, argc > 4);
    return 0;
  }
  EngineRequest request;
  request.model = what;
  if (argc > 4) request.options = {{"pictures", argv[4]}};
  Engine engine = require(backend.open_engine(request));
  measure_host_pictures(engine);
  Decoder decoder = require(backend.open_decoder(Codec::kJpeg, 0));
  measure_jpegs(engine, decoder, folder);
  measure_source(engine, modules, folder / "i420.jpg");
  return 0;
}
