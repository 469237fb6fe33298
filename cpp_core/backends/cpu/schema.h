// The messages of an ONNX file, as far as its own look at one goes.
// Source: onnx/onnx.proto of ONNX 1.23 (IR version 13). A number that is not here is a field of a later release.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wire.h"

namespace edgecore::cpu::onnx {

enum Kind : std::uint8_t {
  // What a field holds beside messages. Repeated numbers may also be packed into one field of bytes.
  kInteger, kFloat, kDouble, kBytes,
  kModel, kOperatorSet, kGraph, kTraining, kFunction, kNode, kAttribute, kValue, kType, kTensorType, kShape,
  kDimension, kTensor, kSparseTensor, kEntry, kAnnotation,
};

struct Field {
  std::uint8_t number;
  Kind holds;
};

struct Message {
  const char* name;
  const Field* fields;
  std::size_t count;
};

inline constexpr Field kModelFields[] = {
    {1, kInteger}, {2, kBytes}, {3, kBytes}, {4, kBytes}, {5, kInteger}, {6, kBytes}, {7, kGraph},
    {8, kOperatorSet}, {14, kEntry}, {20, kTraining}, {25, kFunction}};
inline constexpr Field kOperatorSetFields[] = {{1, kBytes}, {2, kInteger}};
inline constexpr Field kGraphFields[] = {
    {1, kNode}, {2, kBytes}, {5, kTensor}, {10, kBytes}, {11, kValue}, {12, kValue}, {13, kValue},
    {14, kAnnotation}, {15, kSparseTensor}, {16, kEntry}};
inline constexpr Field kTrainingFields[] = {{1, kGraph}, {2, kGraph}, {3, kEntry}, {4, kEntry}};
inline constexpr Field kFunctionFields[] = {
    {1, kBytes}, {4, kBytes}, {5, kBytes}, {6, kBytes}, {7, kNode}, {8, kBytes}, {9, kOperatorSet}, {10, kBytes},
    {11, kAttribute}, {12, kValue}};
inline constexpr Field kNodeFields[] = {
    {1, kBytes}, {2, kBytes}, {3, kBytes}, {4, kBytes}, {5, kAttribute}, {6, kBytes}, {7, kBytes}, {8, kBytes},
    {9, kEntry}};
inline constexpr Field kAttributeFields[] = {
    {1, kBytes}, {2, kFloat}, {3, kInteger}, {4, kBytes}, {5, kTensor}, {6, kGraph}, {7, kFloat}, {8, kInteger},
    {9, kBytes}, {10, kTensor}, {11, kGraph}, {13, kBytes}, {14, kType}, {15, kType}, {20, kInteger}, {21, kBytes},
    {22, kSparseTensor}, {23, kSparseTensor}};
inline constexpr Field kValueFields[] = {{1, kBytes}, {2, kType}, {3, kBytes}, {4, kEntry}};
inline constexpr Field kTypeFields[] = {
    {1, kTensorType}, {4, kBytes}, {5, kBytes}, {6, kBytes}, {7, kBytes}, {8, kTensorType}, {9, kBytes}};
inline constexpr Field kTensorTypeFields[] = {{1, kInteger}, {2, kShape}};
inline constexpr Field kShapeFields[] = {{1, kDimension}};
inline constexpr Field kDimensionFields[] = {{1, kInteger}, {2, kBytes}, {3, kBytes}};
inline constexpr Field kTensorFields[] = {
    {1, kInteger}, {2, kInteger}, {3, kBytes}, {4, kFloat}, {5, kInteger}, {6, kBytes}, {7, kInteger}, {8, kBytes},
    {9, kBytes}, {10, kDouble}, {11, kInteger}, {12, kBytes}, {13, kEntry}, {14, kInteger}, {16, kEntry}};
inline constexpr Field kSparseTensorFields[] = {{1, kTensor}, {2, kTensor}, {3, kInteger}};
inline constexpr Field kEntryFields[] = {{1, kBytes}, {2, kBytes}};
inline constexpr Field kAnnotationFields[] = {{1, kBytes}, {2, kEntry}};

template <std::size_t N>
constexpr Message describe(const char* name, const Field (&fields)[N]) {
  return {name, fields, N};
}

/// By Kind, from kModel on.
inline constexpr Message kMessages[] = {
    describe("model", kModelFields),           describe("operator set", kOperatorSetFields),
    describe("graph", kGraphFields),           describe("training", kTrainingFields),
    describe("function", kFunctionFields),     describe("node", kNodeFields),
    describe("attribute", kAttributeFields),   describe("value", kValueFields),
    describe("type", kTypeFields),             describe("tensor type", kTensorTypeFields),
    describe("shape", kShapeFields),           describe("dimension", kDimensionFields),
    describe("tensor", kTensorFields),         describe("sparse tensor", kSparseTensorFields),
    describe("entry", kEntryFields),           describe("annotation", kAnnotationFields)};

inline const Message& message_of(Kind kind) noexcept { return kMessages[kind - kModel]; }

/// TensorProto.DataType: bits of an element, and the field of elements where raw_data has them not; 0: not looked at.
struct ElementType {
  std::uint8_t bits;
  std::uint8_t field;
  std::uint8_t per_element;  // of the field's numbers
};
inline constexpr ElementType kElementTypes[] = {
    {0, 0, 0},   {32, 4, 1}, {8, 5, 1},  {8, 5, 1},   // none, float, uint8, int8
    {16, 5, 1},  {16, 5, 1}, {32, 5, 1}, {64, 7, 1},  // uint16, int16, int32, int64
    {0, 6, 1},   {8, 5, 1},  {16, 5, 1}, {64, 10, 1},  // string, bool, float16, double
    {32, 11, 1}, {64, 11, 1}, {64, 4, 2}, {128, 10, 2},  // uint32, uint64, two complex ones
    {16, 5, 1},  {8, 5, 1},  {8, 5, 1},  {8, 5, 1},  {8, 5, 1},  // bfloat16, four of float8
    {4, 0, 0},   {4, 0, 0},  {4, 0, 0},  {8, 5, 1},  // uint4, int4, float4, float8 of exponents
    {2, 0, 0},   {2, 0, 0}};  // uint2, int2

}  // namespace edgecore::cpu::onnx
