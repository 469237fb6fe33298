// Our declarations of V4L2 against the kernel's header that the toolchain brings: compared where this is compiled.
#include <linux/videodev2.h>

#include "abi/videodev.h"

namespace edgecore::v4l2::abi {
namespace {

#define SAME(ours, theirs) static_assert((ours) == (theirs), #theirs)
#define SAME_SIZE(ours, theirs) SAME(sizeof(ours), sizeof(theirs))
#define SAME_PLACE(ours, field, theirs, their_field) SAME(offsetof(ours, field), offsetof(theirs, their_field))

SAME_SIZE(Capability, v4l2_capability);
SAME_SIZE(PlaneFormat, v4l2_plane_pix_format);
SAME_SIZE(Pixels, v4l2_pix_format_mplane);
SAME_SIZE(Format, v4l2_format);
SAME_SIZE(RequestBuffers, v4l2_requestbuffers);
SAME_SIZE(BufferPlane, v4l2_plane);
SAME_SIZE(Buffer, v4l2_buffer);
SAME_SIZE(ExportBuffer, v4l2_exportbuffer);
SAME_SIZE(Selection, v4l2_selection);
SAME_SIZE(Crop, v4l2_crop);
SAME_SIZE(Control, v4l2_control);
SAME_SIZE(DecoderCommand, v4l2_decoder_cmd);
SAME_SIZE(EventSubscription, v4l2_event_subscription);
SAME_SIZE(Event, v4l2_event);

SAME_PLACE(Capability, capabilities, v4l2_capability, capabilities);
SAME_PLACE(Capability, device_caps, v4l2_capability, device_caps);
SAME_PLACE(PlaneFormat, stride_bytes, v4l2_plane_pix_format, bytesperline);
SAME_PLACE(Pixels, pixel_format, v4l2_pix_format_mplane, pixelformat);
SAME_PLACE(Pixels, colorspace, v4l2_pix_format_mplane, colorspace);
SAME_PLACE(Pixels, planes, v4l2_pix_format_mplane, plane_fmt);
SAME_PLACE(Pixels, plane_count, v4l2_pix_format_mplane, num_planes);
SAME_PLACE(Pixels, encoding, v4l2_pix_format_mplane, ycbcr_enc);
SAME_PLACE(Pixels, quantization, v4l2_pix_format_mplane, quantization);
SAME_PLACE(Format, pixels, v4l2_format, fmt);
SAME_PLACE(RequestBuffers, memory, v4l2_requestbuffers, memory);
SAME_PLACE(BufferPlane, used_bytes, v4l2_plane, bytesused);
SAME_PLACE(BufferPlane, length_bytes, v4l2_plane, length);
SAME_PLACE(BufferPlane, offset, v4l2_plane, m);
SAME_PLACE(BufferPlane, data_offset, v4l2_plane, data_offset);
SAME_PLACE(Buffer, flags, v4l2_buffer, flags);
SAME_PLACE(Buffer, timestamp, v4l2_buffer, timestamp);
SAME_PLACE(Buffer, memory, v4l2_buffer, memory);
SAME_PLACE(Buffer, planes, v4l2_buffer, m);
SAME_PLACE(Buffer, plane_count, v4l2_buffer, length);
SAME_PLACE(ExportBuffer, plane, v4l2_exportbuffer, plane);
SAME_PLACE(ExportBuffer, fd, v4l2_exportbuffer, fd);
SAME_PLACE(Selection, rectangle, v4l2_selection, r);
SAME_PLACE(Crop, rectangle, v4l2_crop, c);
SAME_PLACE(Event, timestamp, v4l2_event, timestamp);

SAME(kH264, V4L2_PIX_FMT_H264);
SAME(kHevc, V4L2_PIX_FMT_HEVC);
SAME(kNv12, V4L2_PIX_FMT_NV12);
SAME(kNv12M, V4L2_PIX_FMT_NV12M);
SAME(kYuv420, V4L2_PIX_FMT_YUV420);
SAME(kYuv420M, V4L2_PIX_FMT_YUV420M);
SAME(static_cast<int>(kCapture), static_cast<int>(V4L2_BUF_TYPE_VIDEO_CAPTURE));
SAME(static_cast<int>(kCaptureMplane), static_cast<int>(V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE));
SAME(static_cast<int>(kOutputMplane), static_cast<int>(V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE));
SAME(static_cast<int>(kMmap), static_cast<int>(V4L2_MEMORY_MMAP));
SAME(kCapM2mMplane, V4L2_CAP_VIDEO_M2M_MPLANE);
SAME(kCapDeviceCaps, V4L2_CAP_DEVICE_CAPS);
SAME(kFlagError, V4L2_BUF_FLAG_ERROR);
SAME(kFlagTimestampCopy, V4L2_BUF_FLAG_TIMESTAMP_COPY);
SAME(kFlagLast, V4L2_BUF_FLAG_LAST);
SAME(kEventSourceChange, V4L2_EVENT_SOURCE_CHANGE);
SAME(kTargetCompose, V4L2_SEL_TGT_COMPOSE);
SAME(kMinCaptureBuffers, V4L2_CID_MIN_BUFFERS_FOR_CAPTURE);
SAME(kCommandStop, V4L2_DEC_CMD_STOP);
SAME(static_cast<int>(kRec709), static_cast<int>(V4L2_COLORSPACE_REC709));
SAME(static_cast<int>(kEncoding601), static_cast<int>(V4L2_YCBCR_ENC_601));
SAME(static_cast<int>(kEncoding709), static_cast<int>(V4L2_YCBCR_ENC_709));
SAME(static_cast<int>(kFullRange), static_cast<int>(V4L2_QUANTIZATION_FULL_RANGE));

SAME(kQueryCapabilities, VIDIOC_QUERYCAP);
SAME(kGetFormat, VIDIOC_G_FMT);
SAME(kSetFormat, VIDIOC_S_FMT);
SAME(kRequestBuffers, VIDIOC_REQBUFS);
SAME(kQueryBuffer, VIDIOC_QUERYBUF);
SAME(kQueueBuffer, VIDIOC_QBUF);
SAME(kExportBuffer, VIDIOC_EXPBUF);
SAME(kDequeueBuffer, VIDIOC_DQBUF);
SAME(kStreamOn, VIDIOC_STREAMON);
SAME(kStreamOff, VIDIOC_STREAMOFF);
SAME(kGetControl, VIDIOC_G_CTRL);
SAME(kGetCrop, VIDIOC_G_CROP);
SAME(kDequeueEvent, VIDIOC_DQEVENT);
SAME(kSubscribeEvent, VIDIOC_SUBSCRIBE_EVENT);
SAME(kGetSelection, VIDIOC_G_SELECTION);
SAME(kDecoderCommand, VIDIOC_DECODER_CMD);

}  // namespace
}  // namespace edgecore::v4l2::abi
