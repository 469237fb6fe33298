// Stand-in for libnvbufsurface.so, for tests alone: surfaces are memfds that say what they are (surface_file.h). It checks
// its caller, in the driver's ledger where that stand-in is loaded, else in one of its own. What the CPU sees of a mapped
// surface is what was there when it was last synchronized.

#include <cstring>
#include <dlfcn.h>
#include <map>
#include <memory>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "abi/nvbufsurface.h"
#include "door.h"
#include "egl.h"
#include "ledger.h"
#include "surface_file.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace stand_in {
namespace {

namespace nvbuf = edgecore::nvbuf;

constexpr const char* kSurface = "surface";
constexpr const char* kMapping = "surface mapping";

const Door& book() {
  static const Door own = {
      [](const char* call) { return Ledger::get().fails(call); },
      [](const char* kind, const void* handle) { Ledger::get().born(kind, handle); },
      [](const char* kind, const void* handle) { return Ledger::get().died(kind, handle); },
      [](const char* kind, const void* handle, const char* call) { return Ledger::get().expect(kind, handle, call); },
      [](const char* rule) { Ledger::get().broken(rule); },
      nullptr, nullptr, nullptr, nullptr, nullptr};
  static const Door* const chosen = [] {
    void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
    const void* door = driver != nullptr ? dlsym(driver, kDoorName) : nullptr;
    return door != nullptr ? static_cast<const Door*>(door) : &own;
  }();
  return *chosen;
}

struct Known {
  nvbuf::Surface surface{};
  nvbuf::SurfaceParams params{};
  SurfaceFile facts;
  int fd = -1;  // of what was created here; others' surfaces stay theirs
  unsigned char* bytes = nullptr;
  std::vector<unsigned char> seen;  // by the CPU
  EglImage image;
  ~Known() {
    if (bytes != nullptr) munmap(bytes, facts.data_bytes);
    if (fd >= 0) close(fd);
  }
};

/// By the file behind the descriptor.
std::map<ino_t, std::unique_ptr<Known>>& all() {
  static auto* const surfaces = new std::map<ino_t, std::unique_ptr<Known>>;
  return *surfaces;
}

std::vector<std::unique_ptr<Known>>& destroyed() {
  static auto* const surfaces = new std::vector<std::unique_ptr<Known>>;
  return *surfaces;
}

Known* find(const nvbuf::Surface* surface) {
  for (auto& [file, known] : all()) {
    if (&known->surface == surface) return known.get();
  }
  book().broken("a surface that is none, or was destroyed");
  return nullptr;
}

/// nullptr: no surface is behind the descriptor.
Known* make(int fd) {
  struct stat file {};
  SurfaceFile facts;
  if (!read_surface_file(fd, facts) || fstat(fd, &file) != 0) return nullptr;
  std::unique_ptr<Known>& known = all()[file.st_ino];
  if (known != nullptr) {
    if (known->fd < 0) known->params.dma_fd = static_cast<std::uint64_t>(fd);
    return known.get();
  }
  known = std::make_unique<Known>();
  known->facts = facts;
  void* mapped = mmap(nullptr, facts.data_bytes, PROT_READ, MAP_SHARED, fd, 0);
  known->bytes = mapped == MAP_FAILED ? nullptr : static_cast<unsigned char*>(mapped);
  nvbuf::SurfaceParams& params = known->params;
  params.width_px = facts.width_px;
  params.height_px = facts.height_px;
  params.pitch_bytes = facts.pitch_bytes[0];
  params.color_format = static_cast<nvbuf::ColorFormat>(facts.color_format);
  params.layout = facts.is_block_linear != 0 ? nvbuf::kBlockLinear : nvbuf::kPitch;
  params.dma_fd = static_cast<std::uint64_t>(fd);
  params.size_bytes = facts.data_bytes;
  params.planes.count = facts.plane_count;
  for (std::uint32_t plane = 0; plane < facts.plane_count; ++plane) {
    params.planes.width_px[plane] = plane == 0 ? facts.width_px : (facts.width_px + 1) / 2;
    params.planes.height_px[plane] = facts.rows[plane];
    params.planes.pitch_bytes[plane] = facts.pitch_bytes[plane];
    params.planes.offset_bytes[plane] = facts.offset_bytes[plane];
    params.planes.size_bytes[plane] = facts.size_bytes[plane];
    params.planes.bytes_per_sample[plane] = plane != 0 && facts.plane_count == 2 ? 2 : 1;
  }
  known->surface.batch_size = known->surface.filled = 1;
  known->surface.memory_type = nvbuf::kSurfaceArray;
  known->surface.list = &params;
  return known.get();
}

int failed(const char* call) { return book().fails(call) ? -1 : 0; }

}  // namespace
}  // namespace stand_in

using namespace stand_in;  // NOLINT: what follows is C

EXPORT int NvBufSurfaceFromFd(int fd, void** surface) {
  if (failed("NvBufSurfaceFromFd") != 0) return -1;
  Known* known = make(fd);
  if (known == nullptr) return -1;
  *surface = &known->surface;
  return 0;
}

EXPORT int NvBufSurfaceCreate(nvbuf::Surface** surface, std::uint32_t batch_size, nvbuf::CreateParams* wish) {
  if (failed("NvBufSurfaceCreate") != 0) return -1;
  if (batch_size != 1 || wish->memory_type != nvbuf::kSurfaceArray) return -1;
  SurfaceFile facts;
  const bool is_planar = wish->color_format == nvbuf::kYuv420;
  facts.width_px = wish->width_px;
  facts.height_px = wish->height_px;
  facts.color_format = wish->color_format;
  facts.is_block_linear = wish->layout == nvbuf::kBlockLinear ? 1 : 0;
  facts.plane_count = is_planar ? 3 : 2;
  for (std::uint32_t plane = 0; plane < facts.plane_count; ++plane) {
    facts.row_bytes[plane] = plane != 0 && is_planar ? (wish->width_px + 1) / 2 : (wish->width_px + 1) / 2 * 2;
    facts.rows[plane] = plane == 0 ? wish->height_px : (wish->height_px + 1) / 2;
  }
  place_planes(facts);
  const int fd = make_memory_fd();
  const bool is_made = ftruncate(fd, static_cast<off_t>(facts.data_bytes + sizeof facts)) == 0 &&
                       pwrite(fd, &facts, sizeof facts, facts.data_bytes) == static_cast<ssize_t>(sizeof facts);
  Known* known = is_made ? make(fd) : nullptr;
  if (known == nullptr) return close(fd), -1;
  known->fd = fd;
  book().born(kSurface, &known->surface);
  *surface = &known->surface;
  return 0;
}

EXPORT int NvBufSurfaceDestroy(nvbuf::Surface* surface) {
  if (!book().died(kSurface, surface)) return -1;
  for (auto each = all().begin(); each != all().end(); ++each) {
    Known& gone = *each->second;
    if (&gone.surface != surface) continue;
    if (gone.params.mapped.egl_image != nullptr) book().died(kEglImage, &gone.image);
    close(std::exchange(gone.fd, -1));
    gone.params = {};  // as memory that was given back: who still looks there finds nothing
    if (gone.image.registrations != 0) destroyed().push_back(std::move(each->second));  // CUDA keeps its memory
    all().erase(each);
    break;
  }
  return failed("NvBufSurfaceDestroy");
}

EXPORT int NvBufSurfaceMap(nvbuf::Surface* surface, int index, int plane, nvbuf::MapFlags) {
  Known* known = find(surface);
  if (known == nullptr || failed("NvBufSurfaceMap") != 0) return -1;
  if (index != 0 || plane != -1) book().broken("NvBufSurfaceMap: all planes of the first picture are expected");
  known->seen.assign(known->facts.data_bytes, 0xA5);
  for (std::uint32_t at = 0; at < known->facts.plane_count; ++at) {
    known->params.mapped.address[at] = known->seen.data() + known->facts.offset_bytes[at];
  }
  book().born(kMapping, &known->params.mapped);
  return 0;
}

EXPORT int NvBufSurfaceUnMap(nvbuf::Surface* surface, int, int) {
  Known* known = find(surface);
  if (known == nullptr || !book().died(kMapping, &known->params.mapped)) return -1;
  known->seen.clear();
  return failed("NvBufSurfaceUnMap");
}

EXPORT int NvBufSurfaceSyncForCpu(nvbuf::Surface* surface, int, int) {
  Known* known = find(surface);
  if (known == nullptr || !book().expect(kMapping, &known->params.mapped, "NvBufSurfaceSyncForCpu")) return -1;
  if (failed("NvBufSurfaceSyncForCpu") != 0) return -1;
  std::memcpy(known->seen.data(), known->bytes, known->seen.size());
  return 0;
}

EXPORT int NvBufSurfaceMapEglImage(nvbuf::Surface* surface, int) {
  Known* known = find(surface);
  if (known == nullptr || failed("NvBufSurfaceMapEglImage") != 0) return -1;
  if (known->params.mapped.egl_image != nullptr) book().broken("NvBufSurfaceMapEglImage: there is one already");
  known->image.facts = known->facts;
  known->image.bytes = known->bytes;
  known->params.mapped.egl_image = &known->image;
  book().born(kEglImage, &known->image);
  return 0;
}

EXPORT int NvBufSurfaceUnMapEglImage(nvbuf::Surface* surface, int) {
  Known* known = find(surface);
  if (known == nullptr || !book().died(kEglImage, &known->image)) return -1;
  if (known->image.registrations != 0) book().broken("NvBufSurfaceUnMapEglImage: CUDA still has it");
  known->params.mapped.egl_image = nullptr;
  return failed("NvBufSurfaceUnMapEglImage");
}
