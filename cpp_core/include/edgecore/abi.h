// The seam between the core and a backend module: everything here crosses a dlopen boundary.
//
// Only C-layout types, enums of fixed width and pure virtual tables (Itanium order, no RTTI, no
// virtual destructor) may appear, because a backend that has to meet a vendor's libstdc++ library is
// built with another C++ runtime than the core. No exception may leave a function declared here.
// The comfortable side (spans, Result, RAII) is in backend.h and module.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgecore::abi {

/// Raised whenever a layout or a virtual table below changes. A module of another version is refused.
inline constexpr std::uint32_t kVersion = 2;
inline constexpr std::size_t kMaxRank = 8;
inline constexpr std::size_t kMaxName = 128;

enum class Code : std::int32_t {
  kOk = 0,
  kInvalidArgument = 1,  // the caller's fault: shape, type, option
  kNotFound = 2,         // file, module, vendor library or symbol is not there
  kUnsupported = 3,      // understood, but this build or device cannot do it
  kCorrupt = 4,          // input bytes that are not what they claim to be
  kSdk = 5,              // a vendor call failed; the text names the call and its code
  kInternal = 6,         // a defect of ours
};

/// Caller-owned; the callee fills it when it returns anything but kOk. `text` is UTF-8, terminated.
struct Error {
  Code code = Code::kOk;
  char text[508] = {};
};

enum class DType : std::int32_t { kFloat32 = 0, kFloat16 = 1, kInt8 = 2, kUInt8 = 3, kInt32 = 4, kInt64 = 5 };

/// Where bytes live. `kDevice` pointers may not be dereferenced by the host.
enum class Place : std::int32_t { kHost = 0, kDevice = 1, kDmaBuf = 2 };

/// Dense row-major tensor. Nobody owns through it: see Engine::run for lifetimes.
struct Tensor {
  void* data = nullptr;
  std::size_t size_bytes = 0;
  std::int64_t shape[kMaxRank] = {};
  std::int32_t rank = 0;
  DType dtype = DType::kFloat32;
  Place place = Place::kHost;
  std::int32_t dma_fd = -1;  // only for kDmaBuf
};

/// One input or output of a model. A dimension of -1 is free (decided at run time).
struct TensorInfo {
  char name[kMaxName] = {};
  std::int64_t shape[kMaxRank] = {};
  std::int32_t rank = 0;
  DType dtype = DType::kFloat32;
  float scale = 1.0F;            // real = (stored - zero_point) * scale, for integer types
  std::int32_t zero_point = 0;
};

enum class PixelLayout : std::int32_t { kPlanar = 0, kSemiPlanar = 1, kGray = 2 };  // Y U V planes; Y, then UV pairs; Y
enum class ColorMatrix : std::int32_t { kBt601 = 0, kBt709 = 1 };
enum class ColorRange : std::int32_t { kLimited = 0, kFull = 1 };
enum class ChromaSiting : std::int32_t { kLeft = 0, kCenter = 1 };

/// One decoded picture, 8 bits a sample, as frame.h describes it. `place` says where the planes live.
struct Picture {
  void* planes[3] = {};
  std::int32_t stride_bytes[3] = {};
  std::int32_t width_px = 0;
  std::int32_t height_px = 0;
  PixelLayout layout = PixelLayout::kPlanar;
  std::int32_t chroma_shift_x = 1;  // log2 of the subsampling
  std::int32_t chroma_shift_y = 1;
  ColorMatrix matrix = ColorMatrix::kBt601;
  ColorRange range = ColorRange::kLimited;
  ChromaSiting siting = ChromaSiting::kLeft;
  Place place = Place::kHost;
  std::int32_t dma_fd = -1;  // only for kDmaBuf
  std::int64_t pts_us = 0;
  void* token = nullptr;  // the decoder's own, for Decoder::recycle
};

/// What a model takes of a picture: resampled into the rectangle, bars of `pad` around it, then per channel
/// value = (sample - mean) * scale. The arithmetic is preprocess.h's.
struct PictureInput {
  std::int32_t width_px = 0;  // of the model's input
  std::int32_t height_px = 0;
  std::int32_t left_px = 0;  // of the rectangle that the picture fills
  std::int32_t top_px = 0;
  std::int32_t inner_width_px = 0;
  std::int32_t inner_height_px = 0;
  std::int32_t is_nhwc = 0;  // else NCHW
  std::int32_t is_bgr = 0;   // else RGB
  std::int32_t pad = 0;      // sample value, 0..255
  float mean[3] = {};
  float scale[3] = {1.0F, 1.0F, 1.0F};
};

/// Copies that an engine has made since it was opened: zero where memory is shared.
struct CopyCounts {
  std::uint64_t to_device = 0;
  std::uint64_t to_device_bytes = 0;
  std::uint64_t to_host = 0;
  std::uint64_t to_host_bytes = 0;
};

/// Validated by the backend: an unknown key is an error, never ignored.
struct Option {
  const char* key;
  const char* value;
};

struct EngineSpec {
  const char* model_path = nullptr;
  const Option* options = nullptr;
  std::size_t option_count = 0;
  std::int32_t device = 0;
  std::int32_t threads = 1;
};

/// A loaded model. One thread at a time; several engines may run side by side.
class Engine {
 public:
  virtual std::size_t input_count() const noexcept = 0;
  virtual std::size_t output_count() const noexcept = 0;
  virtual const TensorInfo* input(std::size_t index) const noexcept = 0;   // owned by the engine
  virtual const TensorInfo* output(std::size_t index) const noexcept = 0;  // owned by the engine

  /// in: one tensor per input, caller-owned for the call. out: one slot per output, filled by the
  /// engine with memory of its own that stays valid until the next run() or release().
  virtual Code run(const Tensor* in, std::size_t in_count, Tensor* out, std::size_t out_count,
                   Error* error) noexcept = 0;

  /// How many runs may be open at a time, in slots 0 .. depth()-1; at least 1.
  virtual std::int32_t depth() const noexcept = 0;

  /// Starts a run in a free slot. The tensors behind `in` stay as they are until wait().
  virtual Code submit(std::int32_t slot, const Tensor* in, std::size_t in_count, Error* error) noexcept = 0;

  /// Ends it: outputs as run() gives them, valid until the slot's next submit(). Also after a failure the slot is free.
  virtual Code wait(std::int32_t slot, Tensor* out, std::size_t out_count, Error* error) noexcept = 0;

  /// Makes input 0 from a picture where the engine's own memory is, for this slot's next submit(). kUnsupported: not
  /// this picture or not on this device; the core then does it on the CPU. The tensor is the engine's, valid until
  /// the slot's wait(); its place may be kDevice. The picture stays as it is until then, too.
  virtual Code prepare(std::int32_t slot, const Picture& picture, const PictureInput& wish, Tensor* input,
                       Error* error) noexcept = 0;

  virtual CopyCounts copies() const noexcept = 0;
  virtual void release() noexcept = 0;

 protected:
  ~Engine() = default;
};

enum class Codec : std::int32_t { kJpeg = 0, kH264 = 1, kH265 = 2 };

struct DecoderSpec {
  Codec codec = Codec::kJpeg;
  std::int32_t device = 0;
};

/// What Decoder::pull may say in has_picture: nothing can come while the call lasts.
inline constexpr std::int32_t kAskAgain = -1;

/// Compressed pictures in, pictures out. One thread at a time.
class Decoder {
 public:
  /// bytes: one access unit (Annex B for H.264 and H.265), the caller's; size 0: the end, what is held back comes out.
  virtual Code push(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Error* error) noexcept = 0;

  /// *has_picture 0: push more; kAskAgain: pull again, soon, and let others hand pictures back in between, which it may
  /// wait for. The picture is the caller's until recycle().
  virtual Code pull(Picture* picture, std::int32_t* has_picture, Error* error) noexcept = 0;
  virtual void recycle(Picture* picture) noexcept = 0;

  /// The picture's planes copied into host memory of the caller's, laid out as `host` says (kHost, same layout).
  virtual Code download(const Picture& picture, Picture* host, Error* error) noexcept = 0;
  virtual void release() noexcept = 0;

 protected:
  ~Decoder() = default;
};

/// Entry object of a module: a static inside it, never released.
class Backend {
 public:
  virtual const char* name() const noexcept = 0;      // "cpu": the module's file name without prefix
  virtual const char* runtime() const noexcept = 0;   // "ONNX Runtime 1.31.1", for reports
  virtual std::int32_t device_count() const noexcept = 0;
  /// On kOk *engine is the caller's and goes back through Engine::release().
  virtual Code open_engine(const EngineSpec& spec, Engine** engine, Error* error) noexcept = 0;

  /// What can be known of a model file without the vendor's library: header, lengths, chip, version. kOk promises
  /// nothing about the rest of it.
  virtual Code check_model(const char* model_path, Error* error) noexcept = 0;

  /// 0 where the vendor's loader may end the process on a damaged file: the core then tries an unknown one elsewhere.
  virtual std::int32_t survives_bad_models() const noexcept = 0;

  /// kUnsupported where the module decodes nothing of the kind.
  virtual Code open_decoder(const DecoderSpec& spec, Decoder** decoder, Error* error) noexcept = 0;

 protected:
  ~Backend() = default;
};

/// The one symbol a module exports (extern "C"). nullptr with `error` filled when the vendor's
/// library cannot be opened or `abi_version` is not kVersion.
using EntryPoint = Backend* (*)(std::uint32_t abi_version, Error* error);
inline constexpr char kEntryPointName[] = "edgecore_backend";

}  // namespace edgecore::abi
