// Compile-only: our declarations against nv-codec-headers (Debian: libffmpeg-nvenc-dev), when they are at hand. An
// object file from this is the proof; nothing links it.
#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/dynlink_nvcuvid.h>

#include "abi/nvcuvid.h"

#define SAME(ours, theirs, field, their_field)                                                                 \
  static_assert(offsetof(nvcuvid::ours, field) == offsetof(theirs, their_field) && sizeof(nvcuvid::ours) == \
                sizeof(theirs), #theirs)

SAME(Format, CUVIDEOFORMAT, is_progressive, progressive_sequence);
SAME(Format, CUVIDEOFORMAT, min_decode_surfaces, min_num_decode_surfaces);
SAME(Format, CUVIDEOFORMAT, display_area, display_area);
SAME(Format, CUVIDEOFORMAT, chroma_format, chroma_format);
SAME(Format, CUVIDEOFORMAT, signal_flags, video_signal_description);
SAME(DisplayInfo, CUVIDPARSERDISPINFO, timestamp, timestamp);
SAME(ParserParameters, CUVIDPARSERPARAMS, user_data, pUserData);
SAME(ParserParameters, CUVIDPARSERPARAMS, on_display, pfnDisplayPicture);
SAME(ParserParameters, CUVIDPARSERPARAMS, max_display_delay, ulMaxDisplayDelay);
SAME(Packet, CUVIDSOURCEDATAPACKET, timestamp, timestamp);
SAME(Capabilities, CUVIDDECODECAPS, is_supported, bIsSupported);
SAME(Capabilities, CUVIDDECODECAPS, surface_formats, nOutputFormatMask);
SAME(Capabilities, CUVIDDECODECAPS, max_macroblocks, nMaxMBCount);
SAME(Capabilities, CUVIDDECODECAPS, min_width, nMinWidth);
SAME(CreateInfo, CUVIDDECODECREATEINFO, codec, CodecType);
SAME(CreateInfo, CUVIDDECODECREATEINFO, max_width, ulMaxWidth);
SAME(CreateInfo, CUVIDDECODECREATEINFO, display_area, display_area);
SAME(CreateInfo, CUVIDDECODECREATEINFO, target_width, ulTargetWidth);
SAME(CreateInfo, CUVIDDECODECREATEINFO, output_surfaces, ulNumOutputSurfaces);
SAME(CreateInfo, CUVIDDECODECREATEINFO, lock, vidLock);
SAME(CreateInfo, CUVIDDECODECREATEINFO, target, target_rect);
SAME(OutputParameters, CUVIDPROCPARAMS, unpaired_field, unpaired_field);
SAME(OutputParameters, CUVIDPROCPARAMS, raw_input, raw_input_dptr);
SAME(OutputParameters, CUVIDPROCPARAMS, stream, output_stream);
SAME(DecodeStatus, CUVIDGETDECODESTATUS, state, decodeStatus);

static_assert(int{nvcuvid::kH264} == cudaVideoCodec_H264 && int{nvcuvid::kH265} == cudaVideoCodec_HEVC);
static_assert(int{nvcuvid::k420} == cudaVideoChromaFormat_420 && int{nvcuvid::kNv12} == cudaVideoSurfaceFormat_NV12);
static_assert(int{nvcuvid::kWeave} == cudaVideoDeinterlaceMode_Weave);
static_assert(int{nvcuvid::kAdaptive} == cudaVideoDeinterlaceMode_Adaptive);
static_assert(int{nvcuvid::kDamaged} == cuvidDecodeStatus_Error);
static_assert(int{nvcuvid::kConcealed} == cuvidDecodeStatus_Error_Concealed);
static_assert(nvcuvid::kPreferEngine == cudaVideoCreate_PreferCUVID);
static_assert(nvcuvid::kEndOfStream == CUVID_PKT_ENDOFSTREAM && nvcuvid::kTimestamp == CUVID_PKT_TIMESTAMP);
static_assert(nvcuvid::kEndOfPicture == CUVID_PKT_ENDOFPICTURE);
