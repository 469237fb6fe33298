// Medians. A kernel is timed as a node of a graph of many, over enough pictures that none is still in the cache; its
// limit is what a copy on the same card moves per second, and, because small work never gets there, a copy of as many
// bytes timed in the same way.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <set>

#include "edgecore/preprocess.h"
#include "edgecore/tensor.h"
#include "tests/gpu_check.h"

namespace edgecore::tensorrt {
namespace {

using abi::Code;
using abi::Error;
using Clock = std::chrono::steady_clock;

constexpr int kNodes = 64;    // kernels or copies in a graph
constexpr int kLaunches = 31;  // of a graph
constexpr int kMaxSets = 64;
constexpr std::size_t kBeyondCache = std::size_t{512} << 20;

/// What only this program calls. Signatures: "CUDA Driver API", sections 6.13, 6.18 and 6.24.
struct Extra {
  cuda::Result (*cuMemcpyDtoDAsync_v2)(cuda::DevicePointer target, cuda::DevicePointer source, std::size_t size,
                                       cuda::Stream* stream) = nullptr;
  cuda::Result (*cuStreamBeginCapture_v2)(cuda::Stream* stream, int mode) = nullptr;
  cuda::Result (*cuStreamEndCapture)(cuda::Stream* stream, void** graph) = nullptr;
  cuda::Result (*cuGraphInstantiateWithFlags)(void** executable, void* graph, unsigned long long flags) = nullptr;
  cuda::Result (*cuGraphLaunch)(void* executable, cuda::Stream* stream) = nullptr;
  cuda::Result (*cuGraphExecDestroy)(void* executable) = nullptr;
  cuda::Result (*cuGraphDestroy)(void* graph) = nullptr;

  bool open() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW);
    const auto find = [library](const char* name, auto& function) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    return find("cuMemcpyDtoDAsync_v2", cuMemcpyDtoDAsync_v2) &&
           find("cuStreamBeginCapture_v2", cuStreamBeginCapture_v2) && find("cuStreamEndCapture", cuStreamEndCapture) &&
           find("cuGraphInstantiateWithFlags", cuGraphInstantiateWithFlags) && find("cuGraphLaunch", cuGraphLaunch) &&
           find("cuGraphExecDestroy", cuGraphExecDestroy) && find("cuGraphDestroy", cuGraphDestroy);
  }
};

/// Bytes that have to move at the least, in whole sectors of 32: samples that any pixel is made of, and the input.
std::size_t bytes_to_move(const PictureCase& item) {
  constexpr std::size_t kSector = 32;
  const abi::PictureInput wish = wish_of(item);
  const Geometry geometry = geometry_of(item.picture, wish);
  std::vector<std::uint32_t> taps(tap_count(geometry));
  plan_taps(geometry, taps.data());
  const std::uint32_t* rows = taps.data() + 2 * wish.inner_width_px;
  const auto touched = [](const std::uint32_t* positions, std::int32_t count, std::int32_t samples, std::size_t bytes,
                          std::size_t unit) {
    std::set<std::size_t> units;
    for (std::int32_t at = 0; at < count; ++at) {
      const auto first = static_cast<std::size_t>(positions[at] >> 14);
      units.insert(first * bytes / unit);
      units.insert(std::min(first + 1, static_cast<std::size_t>(samples) - 1) * bytes / unit);
    }
    return units.size();
  };
  std::size_t total = static_cast<std::size_t>(wish.width_px) * static_cast<std::size_t>(wish.height_px) * 12;
  for (int plane = 0; plane < plane_count(item.picture); ++plane) {
    const std::size_t bytes = plane == 1 && item.picture.layout == abi::PixelLayout::kSemiPlanar ? 2 : 1;
    const PlaneSize size = plane_size(item.picture, plane);
    const std::int32_t width = size.row_bytes / static_cast<std::int32_t>(bytes);
    const std::size_t row_count = touched(rows + (plane == 0 ? 0 : wish.inner_height_px), wish.inner_height_px,
                                          size.rows, 1, 1);
    const std::size_t sectors = touched(taps.data() + (plane == 0 ? 0 : wish.inner_width_px), wish.inner_width_px,
                                        width, bytes, kSector);
    total += row_count * sectors * kSector;
  }
  return total;
}

class Bench {
 public:
  explicit Bench(const PictureKernels& kernels) : kernels_(kernels), gpu_(kernels.gpu()) {}

  Code open(Error* error) {
    if (!extra_.open()) return Code::kUnsupported;
    if (Code code = stream_.create(gpu_, error); code != Code::kOk) return code;
    if (Code code = start_.create(gpu_, error, cuda::kEventDefault); code != Code::kOk) return code;
    return end_.create(gpu_, error, cuda::kEventDefault);
  }

  /// Microseconds of one of `kNodes` pieces of work that `enqueue(i)` puts on the stream.
  template <typename Enqueue>
  double node_us(Enqueue enqueue, Error* error) {
    const Current current(gpu_, error);
    void* graph = nullptr;
    void* executable = nullptr;
    bool sound = extra_.cuStreamBeginCapture_v2(stream_.get(), 1) == cuda::kSuccess;
    for (int i = 0; i < kNodes && sound; ++i) sound = enqueue(i) == Code::kOk;
    sound = extra_.cuStreamEndCapture(stream_.get(), &graph) == cuda::kSuccess && sound;
    sound = sound && extra_.cuGraphInstantiateWithFlags(&executable, graph, 0) == cuda::kSuccess;
    std::vector<double> times_us;
    for (int i = 0; i < kLaunches + 3 && sound; ++i) {
      float milliseconds = 0.0F;
      sound = start_.record(stream_, error) == Code::kOk &&
              extra_.cuGraphLaunch(executable, stream_.get()) == cuda::kSuccess &&
              end_.record(stream_, error) == Code::kOk && end_.synchronize(error) == Code::kOk &&
              end_.elapsed_ms(start_, milliseconds, error) == Code::kOk;
      if (i >= 3) times_us.push_back(static_cast<double>(milliseconds) * 1e3 / kNodes);
    }
    if (executable != nullptr) extra_.cuGraphExecDestroy(executable);
    if (graph != nullptr) extra_.cuGraphDestroy(graph);
    return sound ? median(times_us) : -1.0;
  }

  /// Copies that read and write `bytes` in all, each between other places.
  double copy_us(std::size_t bytes, Error* error) {
    const std::size_t half = bytes / 2 / 256 * 256;
    const std::size_t places = std::clamp<std::size_t>(kBeyondCache / bytes + 1, 1, kMaxSets);
    DeviceMemory memory;
    if (memory.allocate(gpu_, 2 * half * places, error) != Code::kOk) return -1.0;
    return node_us([&](int i) {
      const cuda::DevicePointer at = memory.get() + static_cast<std::size_t>(i) % places * 2 * half;
      const cuda::Result copied = extra_.cuMemcpyDtoDAsync_v2(at + half, at, half, stream_.get());
      return gpu_.check(copied, "cuMemcpyDtoDAsync", error);
    }, error);
  }

  double kernel_us(const PictureCase& item, Error* error) {
    const abi::PictureInput wish = wish_of(item);
    const std::size_t input = static_cast<std::size_t>(wish.width_px) * static_cast<std::size_t>(wish.height_px) * 12;
    const std::size_t sets = std::clamp<std::size_t>(kBeyondCache / (input + item.samples.size()) + 1, 1, kMaxSets);
    std::vector<std::unique_ptr<OnDevice>> pictures;
    std::vector<std::unique_ptr<DeviceMemory>> targets;
    for (std::size_t i = 0; i < sets; ++i) {
      pictures.push_back(std::make_unique<OnDevice>());
      targets.push_back(std::make_unique<DeviceMemory>());
      if (pictures.back()->upload(gpu_, stream_, item, error) != Code::kOk) return -1.0;
      if (targets.back()->allocate(gpu_, input, error) != Code::kOk) return -1.0;
    }
    PictureFeed feed;
    abi::CopyCounts copies;
    const auto prepare = [&](int i) {
      const std::size_t set = static_cast<std::size_t>(i) % sets;
      return feed.prepare(kernels_, pictures[set]->picture, wish, stream_, targets[set]->get(), copies, error);
    };
    if (prepare(0) != Code::kOk || stream_.synchronize(error) != Code::kOk) return -1.0;  // its tables are made
    return node_us(prepare, error);
  }

  /// From a picture in the caller's memory to the input on the GPU.
  double upload_us(const PictureCase& item, Error* error) {
    const abi::PictureInput wish = wish_of(item);
    DeviceMemory target;
    const std::size_t input = static_cast<std::size_t>(wish.width_px) * static_cast<std::size_t>(wish.height_px) * 12;
    if (target.allocate(gpu_, input, error) != Code::kOk) return -1.0;
    PictureFeed feed;
    abi::CopyCounts copies;
    std::vector<double> times_us;
    for (int i = 0; i < kLaunches + 3; ++i) {
      const auto started = Clock::now();
      if (feed.prepare(kernels_, item.picture, wish, stream_, target.get(), copies, error) != Code::kOk) return -1.0;
      if (stream_.synchronize(error) != Code::kOk) return -1.0;
      if (i >= 3) times_us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - started).count());
    }
    return median(times_us);
  }

 private:
  const PictureKernels& kernels_;
  const Gpu& gpu_;
  Extra extra_;
  Stream stream_;
  Event start_, end_;
};

/// The core's own, on one core of the CPU, into memory that is there.
double cpu_us(const PictureCase& item) {
  TensorBuffer tensor(DType::kFloat32, shape_of(item.input));
  const Frame frame = frame_of(item);
  std::vector<double> times_us;
  for (int i = 0; i < 18; ++i) {
    const auto started = Clock::now();
    if (!preprocess(frame, item.input, tensor)) return -1.0;
    if (i >= 3) times_us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - started).count());
  }
  return median(times_us);
}

}  // namespace

int measure(const PictureKernels& kernels) {
  using abi::PixelLayout;
  const struct {
    const char* name;
    PixelLayout layout;
    std::int32_t width_px, height_px, input_width_px, input_height_px;
  } cases[] = {
      {"640x272 planar -> 320x224", PixelLayout::kPlanar, 640, 272, 320, 224},
      {"1920x1080 planar -> 640x640", PixelLayout::kPlanar, 1920, 1080, 640, 640},
      {"1920x1080 nv12 -> 640x640", PixelLayout::kSemiPlanar, 1920, 1080, 640, 640},
      {"1920x1080 nv12 -> 1280x736", PixelLayout::kSemiPlanar, 1920, 1080, 1280, 736},
      {"3840x2160 nv12 -> 640x640", PixelLayout::kSemiPlanar, 3840, 2160, 640, 640},
      {"3840x2160 nv12 -> 1920x1088", PixelLayout::kSemiPlanar, 3840, 2160, 1920, 1088},
      {"3840x2160 nv12 -> 3840x2176", PixelLayout::kSemiPlanar, 3840, 2160, 3840, 2176},
  };
  Error error;
  Bench bench(kernels);
  if (bench.open(&error) != Code::kOk) {
    std::printf("timing: %s\n", error.text);
    return 1;
  }
  constexpr std::size_t kLarge = std::size_t{1} << 31;
  const double large_us = bench.copy_us(kLarge, &error);
  const double bytes_per_us = static_cast<double>(kLarge) / large_us;
  std::printf("memory: a copy moves %.0f GB/s (read and written)\n", bytes_per_us / 1e3);
  std::printf("%-28s %9s %9s %9s %9s %9s %7s %7s %8s %9s\n", "medians, us", "CPU", "kernel", "MB moved", "limit",
              "same copy", "of lim", "of copy", "CPU/GPU", "from host");
  int failures = 0;
  for (const auto& each : cases) {
    const PictureCase item =
        make_video_case(each.layout, each.width_px, each.height_px, each.input_width_px, each.input_height_px);
    const auto bytes = bytes_to_move(item);
    const double kernel = bench.kernel_us(item, &error);
    const double copy = bench.copy_us(bytes, &error);
    const double limit = static_cast<double>(bytes) / bytes_per_us;
    const double cpu = cpu_us(item);
    if (kernel <= 0.0 || copy <= 0.0 || cpu <= 0.0) ++failures;
    std::printf("%-28s %9.0f %9.2f %9.2f %9.2f %9.2f %6.0f%% %6.0f%% %7.0fx %9.0f\n", each.name, cpu, kernel,
                static_cast<double>(bytes) / 1e6, limit, copy, 100.0 * limit / kernel, 100.0 * copy / kernel,
                cpu / kernel, bench.upload_us(item, &error));
  }
  return failures;
}

}  // namespace edgecore::tensorrt
