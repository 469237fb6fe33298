// The part of libbmrt's C API that this module calls, declared by us: no SDK is needed to compile.
//
// Facts from tpu-runtime/include/{bmdef.h,bmruntime_interface.h} of libsophon 0.4.4 to 0.5.1
// (github.com/sophgo/libsophon); executed against libbmrt.so.1.0 of tpu-mlir 1.6.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bmlib.h"

namespace bm {

struct Runtime;  // void* in the API

enum DataType : int {
  kFloat32 = 0,
  kFloat16 = 1,
  kInt8 = 2,
  kUInt8 = 3,
  kInt16 = 4,
  kUInt16 = 5,
  kInt32 = 6,
  kUInt32 = 7,
  kBFloat16 = 8,
  kInt4 = 9,
  kUInt4 = 10,
};

inline constexpr int kMaxRank = 8;

struct Shape {
  int rank;
  int dims[kMaxRank];
};
static_assert(sizeof(Shape) == 36);

struct Tensor {
  DataType dtype;
  Shape shape;
  DeviceMemory memory;
  int store_mode;  // 0: dense
};
static_assert(sizeof(Tensor) == 72 && offsetof(Tensor, memory) == 40 && offsetof(Tensor, store_mode) == 64);

/// What a network was compiled for: one set of shapes.
struct StageInfo {
  const Shape* input_shapes;
  const Shape* output_shapes;
  const DeviceMemory* input_memories;
  const DeviceMemory* output_memories;
};
static_assert(sizeof(StageInfo) == 32);

/// Arrays have one entry per input or output; all of it belongs to the runtime.
struct NetworkInfo {
  const char* name;
  bool is_dynamic;
  int input_count;
  const char* const* input_names;
  const DataType* input_dtypes;
  const float* input_scales;
  int output_count;
  const char* const* output_names;
  const DataType* output_dtypes;
  const float* output_scales;
  int stage_count;
  const StageInfo* stages;
  const std::size_t* max_input_bytes;
  const std::size_t* max_output_bytes;
  const int* input_zero_points;
  const int* output_zero_points;
  const int* input_devices;
  const int* output_devices;
  // Runtimes that know chips of several cores go on: int core_num, int addr_mode. Not read: the file says it, too.
};
static_assert(sizeof(NetworkInfo) == 136);
static_assert(offsetof(NetworkInfo, input_names) == 16 && offsetof(NetworkInfo, output_count) == 40);
static_assert(offsetof(NetworkInfo, stage_count) == 72 && offsetof(NetworkInfo, stages) == 80);
static_assert(offsetof(NetworkInfo, max_output_bytes) == 96 && offsetof(NetworkInfo, output_zero_points) == 112);

/// Members are named like the functions.
struct RuntimeApi {
  Runtime* (*bmrt_create)(Handle handle);
  void (*bmrt_destroy)(Runtime* runtime);

  /// Ends the process on bytes that it does not like. Copies what it needs of them.
  bool (*bmrt_load_bmodel_data)(Runtime* runtime, const void* data, std::size_t size_bytes);
  const NetworkInfo* (*bmrt_get_network_info)(Runtime* runtime, const char* name);

  /// Queues a run and comes back. user_mem: outputs go to the memory that `out` names. Fills the shapes of `out`.
  bool (*bmrt_launch_tensor_ex)(Runtime* runtime, const char* network, const Tensor* in, int in_count, Tensor* out,
                                int out_count, bool user_mem, bool user_store_mode);

  /// The same on chosen cores; null where the runtime knows only chips of one core.
  bool (*bmrt_launch_tensor_multi_cores)(Runtime* runtime, const char* network, const Tensor* in, int in_count,
                                         Tensor* out, int out_count, bool user_mem, bool user_store_mode,
                                         const int* cores, int core_count);
};

}  // namespace bm
