// edgecore-surface-prepare MODULES BACKEND PLAN COUNT: pictures in NvBufSurfaces, pitch and block linear, made into input by the
// engine and given back by PLAN (out = in, free dimensions), against the core's CPU code bit for bit. The surfaces come from
// the libnvbufsurface that the loader finds. Exit 3: the engine leaves such pictures to the CPU; says why.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

#include "edgecore/backend.h"
#include "picture_plan.h"
#include "surface.h"
#include "tests/picture_cases.h"
#include "tests/stand_in/surface_file.h"

namespace edgecore::tensorrt {
namespace {

constexpr int kLeftToCpu = 3;

/// A decoder's buffer: its owner makes it, fills it and destroys it.
class OwnersSurface {
 public:
  OwnersSurface(const nvbuf::Library& library, const PictureCase& item, bool is_block_linear) : library_(library) {
    const bool is_planar = item.picture.layout == PixelLayout::kPlanar;
    nvbuf::CreateParams wish{0, static_cast<std::uint32_t>(item.picture.width_px),
                             static_cast<std::uint32_t>(item.picture.height_px), 0, false,
                             is_planar ? nvbuf::kYuv420 : nvbuf::kNv12, is_block_linear ? nvbuf::kBlockLinear : nvbuf::kPitch,
                             nvbuf::kSurfaceArray};
    if (library.create(&surface_, 1, &wish) != 0) return;
    fill(item);
  }
  OwnersSurface(const OwnersSurface&) = delete;
  OwnersSurface& operator=(const OwnersSurface&) = delete;
  ~OwnersSurface() {
    if (surface_ != nullptr) library_.destroy(surface_);
  }
  /// What a decoder does whose video becomes another: its surface is gone, a descriptor of the memory is still held.
  int give_up() {
    const int held = dup(fd());
    const int number = fd();
    library_.destroy(surface_);
    surface_ = nullptr;
    if (dup2(held, number) >= 0) close(held);
    return number;
  }
  int fd() const { return surface_ != nullptr ? static_cast<int>(surface_->list[0].dma_fd) : -1; }

  void fill(const PictureCase& item) const {
    stand_in::SurfaceFile facts;
    if (!stand_in::read_surface_file(fd(), facts)) return;
    void* const mapped = mmap(nullptr, facts.data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0);
    if (mapped == MAP_FAILED) return;
    for (int plane = 0; plane < plane_count(item.picture); ++plane) {
      const PlaneSize size = plane_size(item.picture, plane);
      const auto* from = static_cast<const unsigned char*>(item.picture.planes[plane]);
      for (std::int32_t y = 0; y < size.rows; ++y, from += item.picture.stride_bytes[plane]) {
        for (std::int32_t x = 0; x < size.row_bytes; ++x) {
          const std::size_t at = surface_offset(facts, static_cast<std::uint32_t>(plane), static_cast<std::size_t>(x),
                                                static_cast<std::size_t>(y));
          static_cast<unsigned char*>(mapped)[at] = from[x];
        }
      }
    }
    munmap(mapped, facts.data_bytes);
  }

 private:
  const nvbuf::Library& library_;
  nvbuf::Surface* surface_ = nullptr;
};

Frame frame_in(const PictureCase& item, int fd) {
  Frame frame = frame_of(item);
  for (Plane& plane : frame.planes) plane.data = nullptr;
  frame.place = abi::Place::kDmaBuf;
  frame.dma_fd = fd;
  return frame;
}

/// Video as decoders give it: 8 bits, 4:2:0, the rest as the seed has it.
PictureCase make_decoded(std::uint32_t seed) {
  PictureCase item = make_video_case(seed % 2 == 0 ? PixelLayout::kSemiPlanar : PixelLayout::kPlanar,
                                     static_cast<std::int32_t>(34 + seed * 6 % 90), static_cast<std::int32_t>(18 + seed * 10 % 70),
                                     static_cast<std::int32_t>(32 + seed % 4 * 8), static_cast<std::int32_t>(24 + seed % 3 * 8));
  item.picture.matrix = static_cast<ColorMatrix>(seed / 2 % 2);
  item.picture.range = static_cast<ColorRange>(seed / 4 % 2);
  if (seed % 5 == 0) item.input.layout = Layout::kNhwc;
  return item;
}

class Check {
 public:
  explicit Check(Engine& engine) : engine_(engine) {}

  /// Prepared and given back; the code of a failure is kept.
  bool run(const PictureCase& item, int fd) {
    const Result<TensorView> input = engine_.prepare(0, frame_in(item, fd), item.input);
    if (!input) return say(item, input.error());
    if (const Status started = engine_.submit(0, {*input}); !started) return say(item, started.error());
    const Result<std::vector<TensorView>> out = engine_.wait(0);
    if (!out) return say(item, out.error());
    const std::vector<float> expected = prepare_on_cpu(item);
    const float* found = out->front().floats();
    const Difference different = difference(item, expected, {found, found + expected.size()});
    ++pictures;
    if (different.values == 0) return true;
    std::printf("%s: %zu of %zu values differ\n", describe(item).c_str(), different.values, expected.size());
    return false;
  }
  std::size_t pictures = 0;
  Code code = Code::kOk;

 private:
  bool say(const PictureCase& item, const Error& error) {
    std::printf("%s: %s\n", describe(item).c_str(), error.message.c_str());
    code = error.code;
    return false;
  }
  Engine& engine_;
};

/// count: pictures of each kind.
int check(Engine& engine, const nvbuf::Library& library, std::uint32_t count) {
  Check check(engine);
  // A decoder of two buffers, each used again and again: what is registered serves all its pictures.
  for (const bool is_block_linear : {false, true}) {
    const PictureCase like = make_decoded(0);
    std::vector<std::unique_ptr<OwnersSurface>> buffers;
    for (int i = 0; i < 2; ++i) buffers.push_back(std::make_unique<OwnersSurface>(library, like, is_block_linear));
    for (std::uint32_t round = 0; round < count; ++round) {
      PictureCase item = make_decoded(0);
      for (std::uint8_t& sample : item.samples) sample = static_cast<std::uint8_t>(sample + 31 * round);
      OwnersSurface& buffer = *buffers[round % 2];
      buffer.fill(item);
      if (!check.run(item, buffer.fd())) return check.code == Code::kUnsupported ? kLeftToCpu : 1;
    }
  }
  // A buffer for each picture: descriptors are closed, and their numbers come back for other surfaces.
  for (std::uint32_t seed = 0; seed < count; ++seed) {
    const PictureCase item = make_decoded(seed);
    const OwnersSurface buffer(library, item, seed / 2 % 2 == 1);
    if (!check.run(item, buffer.fd())) return 1;
  }
  // A picture of a buffer that its decoder gave up meanwhile. Its registration keeps the memory.
  const PictureCase last = make_decoded(0);
  for (const bool is_block_linear : {false, true}) {
    OwnersSurface buffer(library, last, is_block_linear);
    if (!check.run(last, buffer.fd())) return 1;
    const int fd = buffer.give_up();
    const bool is_same = check.run(last, fd);
    close(fd);
    if (!is_same) return 1;
  }
  const CopyCounts copies = engine.copies();
  std::printf("%zu pictures, 0 differ; copies to the device: %llu\n", check.pictures,
              static_cast<unsigned long long>(copies.to_device));
  return 0;
}

int run(const char* modules, const char* name, const char* plan, std::uint32_t count) {
  const Result<Backend> backend = open_backend(name, modules);
  if (!backend) return std::printf("%s\n", to_string(backend.error()).c_str()), 1;
  EngineRequest request;
  request.model = plan;
  Result<Engine> engine = backend->open_engine(request);
  if (!engine) return std::printf("%s\n", to_string(engine.error()).c_str()), 1;
  nvbuf::Library library;
  abi::Error error;
  if (nvbuf::open_library(library, &error) == Code::kOk) return check(*engine, library, count);
  // Any descriptor: without the library nobody looks behind it.
  const PictureCase item = make_decoded(0);
  Check check(*engine);
  check.run(item, 0);
  return check.code == Code::kUnsupported ? kLeftToCpu : 1;
}

}  // namespace
}  // namespace edgecore::tensorrt

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: edgecore-surface-prepare MODULES BACKEND PLAN COUNT\n");
    return 2;
  }
  return edgecore::tensorrt::run(argv[1], argv[2], argv[3], static_cast<std::uint32_t>(std::atol(argv[4])));
}
