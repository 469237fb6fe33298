#include "egl.h"

#include <cstring>

#include "abi/cuda_egl.h"
#include "device.h"
#include "ledger.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace stand_in {
namespace {

constexpr const char* kResource = "graphics resource";

struct Array {
  const EglImage* image = nullptr;
  unsigned plane = 0;
};

struct Resource {
  EglImage* image = nullptr;
  Array arrays[3];
  void* address = nullptr;  // of the whole, where it is pitch linear
};

bool is_linear(const Resource& resource) { return resource.image->facts.is_block_linear == 0; }

/// As cuda.cc's begin(): counts, fails the one that is to fail.
int begin(const char* call) { return Ledger::get().fails(call) ? 999 : 0; }

}  // namespace

bool read_array(const void* array, std::size_t row, std::size_t size_bytes, unsigned char* target) {
  const auto& source = *static_cast<const Array*>(array);
  const SurfaceFile& facts = source.image->facts;
  if (row >= facts.rows[source.plane] || size_bytes > facts.row_bytes[source.plane]) return false;
  for (std::size_t x = 0; x < size_bytes; ++x) target[x] = source.image->bytes[surface_offset(facts, source.plane, x, row)];
  return true;
}

}  // namespace stand_in

using namespace stand_in;  // NOLINT: what follows is C

EXPORT int cuGraphicsEGLRegisterImage(void** registered, void* image, unsigned flags) {
  const Locked locked(Ledger::get().lock());
  Ledger& ledger = Ledger::get();
  if (const int failed = begin("cuGraphicsEGLRegisterImage")) return failed;
  if (!ledger.expect(kEglImage, image, "cuGraphicsEGLRegisterImage")) return 1;
  if (flags != cuda::kRegisterReadOnly) ledger.broken("cuGraphicsEGLRegisterImage: for more than reading");
  auto* const made = new Resource;
  made->image = static_cast<EglImage*>(image);
  ++made->image->registrations;
  if (is_linear(*made)) made->address = Device::get().adopt(made->image->bytes, made->image->facts.data_bytes);
  for (unsigned plane = 0; plane < made->image->facts.plane_count; ++plane) {
    made->arrays[plane] = {made->image, plane};
    if (!is_linear(*made)) ledger.born(kArray, &made->arrays[plane]);
  }
  ledger.born(kResource, made);
  *registered = made;
  return 0;
}

EXPORT int cuGraphicsResourceGetMappedEglFrame(cuda::EglFrame* frame, void* registered, unsigned, unsigned) {
  const Locked locked(Ledger::get().lock());
  if (const int failed = begin("cuGraphicsResourceGetMappedEglFrame")) return failed;
  if (!Ledger::get().expect(kResource, registered, "cuGraphicsResourceGetMappedEglFrame")) return 400;
  auto& resource = *static_cast<Resource*>(registered);
  const SurfaceFile& facts = resource.image->facts;
  *frame = {};
  for (unsigned plane = 0; plane < facts.plane_count; ++plane) {
    frame->pitch[plane] = static_cast<unsigned char*>(resource.address) + facts.offset_bytes[plane];
    if (!is_linear(resource)) frame->arrays[plane] = reinterpret_cast<cuda::Array*>(&resource.arrays[plane]);
  }
  frame->width = facts.width_px;
  frame->height = facts.height_px;
  frame->pitch_bytes = facts.pitch_bytes[0];
  frame->plane_count = facts.plane_count;
  frame->type = is_linear(resource) ? cuda::kEglPitch : cuda::kEglArray;
  frame->sample_format = cuda::kUnsigned8;
  return 0;
}

EXPORT int cuGraphicsUnregisterResource(void* registered) {
  const Locked locked(Ledger::get().lock());
  Ledger& ledger = Ledger::get();
  if (!ledger.died(kResource, registered)) return 400;
  auto* const gone = static_cast<Resource*>(registered);
  for (unsigned plane = 0; plane < gone->image->facts.plane_count && !is_linear(*gone); ++plane) {
    ledger.died(kArray, &gone->arrays[plane]);
  }
  if (gone->address != nullptr) Device::get().disown(gone->address);
  --gone->image->registrations;
  delete gone;
  return begin("cuGraphicsUnregisterResource");
}
