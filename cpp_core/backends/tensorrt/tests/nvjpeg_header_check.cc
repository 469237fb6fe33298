// Compile-only: our declarations against a real nvjpeg.h, when one and CUDA's headers are at hand. An object file from
// this is the proof; nothing links it.
#include <nvjpeg.h>

#include "abi/nvjpeg.h"

static_assert(sizeof(nvjpeg::Image) == sizeof(nvjpegImage_t));
static_assert(offsetof(nvjpeg::Image, pitch) == offsetof(nvjpegImage_t, pitch));
static_assert(nvjpeg::kMaxComponents == NVJPEG_MAX_COMPONENT);
static_assert(int{nvjpeg::kBadJpeg} == NVJPEG_STATUS_BAD_JPEG);
static_assert(int{nvjpeg::kIncompleteBitstream} == NVJPEG_STATUS_INCOMPLETE_BITSTREAM);
static_assert(int{nvjpeg::k444} == NVJPEG_CSS_444 && int{nvjpeg::k422} == NVJPEG_CSS_422);
static_assert(int{nvjpeg::k420} == NVJPEG_CSS_420 && int{nvjpeg::k440} == NVJPEG_CSS_440);
static_assert(int{nvjpeg::kGray} == NVJPEG_CSS_GRAY);
static_assert(int{nvjpeg::kYuv} == NVJPEG_OUTPUT_YUV && int{nvjpeg::kY} == NVJPEG_OUTPUT_Y);
static_assert(int{nvjpeg::kDefault} == NVJPEG_BACKEND_DEFAULT);
static_assert(int{nvjpeg::kMajor} == MAJOR_VERSION && int{nvjpeg::kPatch} == PATCH_LEVEL);
