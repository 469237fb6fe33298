// Our own declarations of the OpenVX calls that run a compiled network (NBG), so that nothing of a vendor is needed to
// compile. C calling convention, LP64.
//
// Sources: Khronos, "The OpenVX Specification" 1.3 (functions; numbers of types and attributes, built from vendor 0,
// object type and index); VeriSilicon/TIM-VX, prebuilt-sdk/x86_64_linux/include/VX/vx_khr_nn.h (vxCreateTensor2,
// vxQueryHardwareCaps), vx_khr_import_kernel.h (vxImportKernelFromURL). The numbers were read from those headers by a
// program; the layouts are the ones of drivers with 32-bit addresses (VX_VA40_EXT_SUPPORT 0), which A311D's are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgecore::amlogic::vx {

struct ContextObject;
struct GraphObject;
struct KernelObject;
struct NodeObject;
struct ParameterObject;
struct TensorObject;
using Context = ContextObject*;
using Graph = GraphObject*;
using Kernel = KernelObject*;
using Node = NodeObject*;
using Parameter = ParameterObject*;
using Tensor = TensorObject*;
using Reference = void*;  // any of them

using Status = std::int32_t;
using Enum = std::int32_t;
using MapId = std::uintptr_t;
inline constexpr Status kSuccess = 0;

enum Type : Enum {
  kInt8 = 0x002,
  kUInt8 = 0x003,
  kInt16 = 0x004,
  kInt32 = 0x006,
  kFloat32 = 0x00A,
  kFloat16 = 0x00F,
  kTensor = 0x815,
};
enum Attribute : Enum {
  kContextVersion = 0x80101,         // uint16: major in the high byte
  kContextImplementation = 0x80105,  // char[kMaxImplementationName]
  kNodeParameters = 0x80305,         // uint32
  kParameterDirection = 0x80501,     // Enum: kInput, kOutput
  kParameterType = 0x80502,          // Enum: a Type
};
enum Direction : Enum { kInput = 0, kOutput = 1 };
enum Usage : Enum { kReadOnly = 0x11001, kWriteOnly = 0x11002 };
inline constexpr Enum kMemoryHost = 0xE001;
inline constexpr std::size_t kMaxImplementationName = 64;

/// vxImportKernelFromURL: `url` is the model's first byte. It is given no length.
inline constexpr char kFromPointer[] = "vx_vivante_pointer";

enum QuantFormat : Enum { kQuantNone = 0, kQuantFixedPoint = 1, kQuantAffine = 2 };

union QuantParam {
  struct {
    std::int8_t position;  // of the binary point: real = stored / 2^position
  } fixed_point;
  struct {
    float scale;
    std::int32_t zero_point;
  } affine;
  struct {
    std::uint32_t dimension;
    std::uint32_t scale_count;
    float* scales;
    std::uint32_t zero_point_count;
    std::int32_t* zero_points;
  } per_channel;  // not used here: it sets the union's size
};

struct TensorParams {
  std::uint32_t rank;
  std::uint32_t* sizes;  // innermost first
  Enum type;
  Enum quant_format;
  QuantParam quant;
};

struct HardwareCaps {
  std::uint32_t eco_id;
  std::uint32_t customer_id;  // the PID that models are compiled for
  std::uint32_t has_evis1;
  std::uint32_t has_evis2;
};

static_assert(sizeof(void*) == 8, "laid out for LP64");
static_assert(sizeof(QuantParam) == 32 && offsetof(QuantParam, affine.zero_point) == 4);
static_assert(offsetof(TensorParams, sizes) == 8 && offsetof(TensorParams, type) == 16);
static_assert(offsetof(TensorParams, quant_format) == 20 && offsetof(TensorParams, quant) == 24);
static_assert(sizeof(TensorParams) == 56);
static_assert(sizeof(HardwareCaps) == 16 && offsetof(HardwareCaps, customer_id) == 4);

/// The functions by their exported names; functions.yaml lists the same ones.
struct Api {
  Context (*vxCreateContext)();
  Status (*vxReleaseContext)(Context*);
  Status (*vxQueryContext)(Context, Enum attribute, void* value, std::size_t size_bytes);
  Status (*vxQueryHardwareCaps)(Context, const HardwareCaps*, std::size_t size_bytes);  // fills it all the same
  Status (*vxGetStatus)(Reference);

  Graph (*vxCreateGraph)(Context);
  Status (*vxReleaseGraph)(Graph*);
  Status (*vxVerifyGraph)(Graph);
  Status (*vxScheduleGraph)(Graph);
  Status (*vxWaitGraph)(Graph);

  Kernel (*vxImportKernelFromURL)(Context, const char* type, const char* url);
  Status (*vxRemoveKernel)(Kernel);
  Node (*vxCreateGenericNode)(Graph, Kernel);
  Status (*vxReleaseNode)(Node*);
  Status (*vxQueryNode)(Node, Enum attribute, void* value, std::size_t size_bytes);
  Parameter (*vxGetParameterByIndex)(Node, std::uint32_t index);
  Status (*vxQueryParameter)(Parameter, Enum attribute, void* value, std::size_t size_bytes);
  Status (*vxReleaseParameter)(Parameter*);
  Status (*vxSetParameterByIndex)(Node, std::uint32_t index, Reference value);

  Tensor (*vxCreateTensor2)(Context, const TensorParams*, std::size_t size_bytes);
  Status (*vxReleaseTensor)(Tensor*);
  Status (*vxMapTensorPatch)(Tensor, std::size_t rank, const std::size_t* start, const std::size_t* end, MapId* id,
                             std::size_t* stride_bytes, void** data, Enum usage, Enum memory);
  Status (*vxUnmapTensorPatch)(Tensor, MapId id);
};

}  // namespace edgecore::amlogic::vx
