// The schema of a .bmodel's first part, as far as the fields' places and kinds go. Field ids never change; new ones are
// appended. Facts from tpu-bmodel/model/model.fbs of github.com/sophgo/libsophon; checked on files of tpu-mlir 1.6.
#pragma once

#include "flatbuffer.h"

namespace edgecore::sophon::schema {

using flatbuffer::Field;
using flatbuffer::Kind;
using flatbuffer::Table;

template <std::size_t N>
constexpr Table table_of(const Field (&fields)[N]) {
  return {fields, N};
}

constexpr Field u32(const char* name) { return {name, Kind::kScalar, 4}; }
constexpr Field u64(const char* name) { return {name, Kind::kScalar, 8}; }
constexpr Field text(const char* name) { return {name, Kind::kString}; }
constexpr Field binary(const char* name) { return {name, Kind::kBinary}; }
constexpr Field one(const char* name, const Table& table) { return {name, Kind::kTable, 0, &table}; }
constexpr Field many(const char* name, const Table& table) { return {name, Kind::kTables, 0, &table}; }
constexpr Field scalars(const char* name, std::uint8_t size) { return {name, Kind::kScalars, size}; }
constexpr Field binaries(const char* name) { return {name, Kind::kBinaries}; }
constexpr Field required(Field field) {
  field.is_required = true;
  return field;
}

// clang-format off
inline constexpr Field kShapeFields[] = {required(scalars("dim", 8))};
inline constexpr Table kShape = table_of(kShapeFields);

inline constexpr Field kCmdGroupFields[] = {
    u32("bdc_num"), u32("gdma_num"), binary("binary_bdc"), binary("binary_gdma"), u32("bdc_cmd_byte"),
    u32("gdma_cmd_byte")};
inline constexpr Table kCmdGroup = table_of(kCmdGroupFields);

inline constexpr Field kCoreCommandsFields[] = {
    many("gdma_tiu_commands", kCmdGroup), binaries("sdma_commands"), binaries("hau_commands"),
    binaries("cdma_commands")};
inline constexpr Table kCoreCommands = table_of(kCoreCommandsFields);

inline constexpr Field kStageIrFields[] = {
    u32("ir_info_len"), u32("height_high"), u32("height_low"), u32("width_high"), u32("width_low")};
inline constexpr Table kStageIr = table_of(kStageIrFields);

inline constexpr Field kLocationFields[] = {required(text("name")), u64("offset"), u64("size")};
inline constexpr Table kLocation = table_of(kLocationFields);

inline constexpr Field kCoeffMemFields[] = {
    u64("address"), scalars("check_code", 1), binary("binary_coeff"), many("location", kLocation), u32("encrypt_mode"),
    u64("decrypt_size")};
inline constexpr Table kCoeffMem = table_of(kCoeffMemFields);
enum CoeffMemId : std::size_t { kCheckCode = 1, kBinaryCoeff = 2, kEncryptMode = 4 };

inline constexpr Field kTensorFields[] = {
    required(text("name")), u32("data_type"), u32("gmem_stmode"), u64("device_addr"), u64("size"),
    many("shape", kShape), u32("mem_type"), u32("scale"), u32("cpu_addr"), u32("pad_h"), u32("zero_point"),
    u32("hidden"), u32("index")};
inline constexpr Table kTensor = table_of(kTensorFields);
enum TensorId : std::size_t { kTensorName = 0, kDataType = 1, kTensorShape = 5 };

inline constexpr Field kCpuConstFields[] = {text("name"), binary("const_data"), scalars("check_code", 1)};
inline constexpr Table kCpuConst = table_of(kCpuConstFields);

inline constexpr Field kCpuParamFields[] = {
    u32("op_type"), binary("binary_param"), many("cpu_const", kCpuConst), u32("is_custom")};
inline constexpr Table kCpuParam = table_of(kCpuParamFields);

inline constexpr Field kOutputFromFields[] = {scalars("indice", 4)};
inline constexpr Table kOutputFrom = table_of(kOutputFromFields);

inline constexpr Field kMergeParamFields[] = {many("output_from", kOutputFrom)};
inline constexpr Table kMergeParam = table_of(kMergeParamFields);

inline constexpr Field kSwitchParamFields[] = {scalars("output_from", 4), scalars("output_branch", 4)};
inline constexpr Table kSwitchParam = table_of(kSwitchParamFields);

inline constexpr Field kSubNetFields[] = {
    u32("subnet_mode"), many("cmd_group", kCmdGroup), many("cpu_param", kCpuParam), many("input_tensor", kTensor),
    many("output_tensor", kTensor), u32("is_dynamic"), u32("ir_offset"), u32("ir_len"), u32("n_dynamic"),
    u32("h_w_dynamic"), u32("id"), scalars("next_subnet_ids", 4), one("merge_param", kMergeParam),
    one("switch_param", kSwitchParam), many("core_commands", kCoreCommands)};
inline constexpr Table kSubNet = table_of(kSubNetFields);
enum SubNetId : std::size_t { kSubNetMode = 0, kSubNetInput = 3, kSubNetOutput = 4 };

inline constexpr Field kNetParameterFields[] = {
    required(many("input_tensor", kTensor)), required(many("output_tensor", kTensor)), u64("ctx_addr"), u64("ctx_size"),
    one("coeff_mem", kCoeffMem), u32("is_dynamic"), u32("n_dynamic"), u32("h_w_dynamic"), many("cmd_group", kCmdGroup),
    binary("net_profile"), many("stage_ir", kStageIr), binary("binary_ir"), many("sub_net", kSubNet),
    u32("cpu_mem_size"), scalars("ctx_sizes", 8), binary("net_stat"), u32("core_num"), u64("io_addr"), u64("io_size"),
    binary("tensor_loc"), u64("dynamic_ctx_addr"), u64("dynamic_coeff_offset"), u64("dynamic_combined_coeff_offset")};
inline constexpr Table kNetParameter = table_of(kNetParameterFields);
enum NetParameterId : std::size_t { kInputTensor = 0, kOutputTensor = 1, kCoeff = 4, kSubNets = 12, kCoreCount = 16 };

inline constexpr Field kCascadeFields[] = {u32("device_id"), u32("step"), text("main_name")};
inline constexpr Table kCascade = table_of(kCascadeFields);

// Ids 1 and 2 are the forms before `parameter`; files have them as empty vectors, models that use them are not taken.
inline constexpr Field kNetFields[] = {
    required(text("name")), scalars("net_static", 4), scalars("net_dynamic", 4), many("parameter", kNetParameter),
    one("cascade", kCascade), u32("addr_mode")};
inline constexpr Table kNet = table_of(kNetFields);
enum NetId : std::size_t { kNetName = 0, kParameter = 3, kCascadeOfNet = 4 };

inline constexpr Field kModuleFields[] = {required(text("file_name")), required(binary("binary"))};
inline constexpr Table kModule = table_of(kModuleFields);
enum ModuleId : std::size_t { kModuleBinary = 1 };

inline constexpr Field kModelFields[] = {
    required(text("type")), required(text("version")), required(text("time")), required(text("chip")),
    required(many("net", kNet)), u64("neuron_size"), one("kernel_module", kModule), u32("device_num"),
    one("cpuop_module", kModule), u32("bmodel_type")};
inline constexpr Table kModel = table_of(kModelFields);
enum ModelId : std::size_t { kVersion = 1, kChip = 3, kNets = 4, kKernelModule = 6, kCpuModule = 8 };
// clang-format on

}  // namespace edgecore::sophon::schema
