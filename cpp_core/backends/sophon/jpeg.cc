#include <deque>
#include <memory>

#include "decoders.h"
#include "edgecore/module.h"
#include "image.h"
#include "jpeg_header.h"
#include "planes.h"

namespace edgecore::sophon {
namespace {

using abi::Code;
using abi::Error;
using abi::Picture;
using abi::PixelLayout;
using module::fail;

/// False for a format that is no picture of ours.
bool set_layout(bm::ImageFormat format, Picture& picture) noexcept {
  picture.layout = format == bm::kGray    ? PixelLayout::kGray
                   : format == bm::kNv12 ? PixelLayout::kSemiPlanar
                                         : PixelLayout::kPlanar;
  picture.chroma_shift_x = format == bm::kYuv444Planar ? 0 : 1;
  picture.chroma_shift_y = format == bm::kYuv444Planar || format == bm::kYuv422Planar ? 0 : 1;
  return format == bm::kGray || format == bm::kNv12 || format == bm::kYuv420Planar || format == bm::kYuv422Planar ||
         format == bm::kYuv444Planar;
}

class JpegDecoder final : public abi::Decoder {
 public:
  Code open(const Libraries& libraries, std::int32_t index, Error* error) noexcept {
    libraries_ = &libraries;
    if (Code code = open_image_library(library_, error); code != Code::kOk) return code;
    return device_.open(libraries, index, error);
  }

  Code push(const void* bytes, std::size_t size_bytes, std::int64_t pts_us, Error* error) noexcept override {
    if (size_bytes == 0) return Code::kOk;  // nothing is ever held back
    switch (jpeg_color(static_cast<const std::uint8_t*>(bytes), size_bytes)) {
      case JpegColor::kNoJpeg: return fail(error, Code::kCorrupt, "damaged JPEG: there is no frame header in it");
      case JpegColor::kOther: return fail(error, Code::kUnsupported, "JPEG with RGB or CMYK samples is not supported");
      case JpegColor::kYcbcrOrGray: break;
    }
    void* data = const_cast<void*>(bytes);  // the API takes pointers to what it only reads
    bm::Image made{};
    const bm::Status decoded =
        library_.api.bmcv_image_jpeg_dec(device_.handle(), &data, &size_bytes, 1, &made, 0);
    // What it then names is not ours: libsophon's decoder for what the JPEG unit cannot do has destroyed it by then.
    if (Code code = check(decoded, "bmcv_image_jpeg_dec", error); code != Code::kOk) return code;
    auto image = std::make_unique<Image>(Image::adopt(library_, made));
    Picture picture;
    picture.pts_us = pts_us;
    if (Code code = describe(*image, picture, error); code != Code::kOk) return code;
    picture.token = image.release();
    ready_.push_back(picture);
    return Code::kOk;
  }

  Code pull(Picture* picture, std::int32_t* has_picture, Error*) noexcept override {
    *has_picture = ready_.empty() ? 0 : 1;
    if (ready_.empty()) return Code::kOk;
    *picture = ready_.front();
    ready_.pop_front();
    return Code::kOk;
  }

  void recycle(Picture* picture) noexcept override { delete static_cast<Image*>(picture->token); }

  Code download(const Picture& picture, Picture* host, Error* error) noexcept override {
    return download_picture(*libraries_, device_, picture, *host, error);
  }

  void release() noexcept override { delete this; }

 private:
  ~JpegDecoder() {
    for (Picture& picture : ready_) recycle(&picture);
  }

  Code describe(const Image& image, Picture& picture, Error* error) noexcept {
    const bm::Image& raw = image.raw();
    if (!set_layout(raw.format, picture)) {
      return fail(error, Code::kUnsupported, "JPEG of a kind that the chip does not decode (progressive, or chroma "
                                             "other than 4:2:0, 4:2:2 and 4:4:4): leave it to the CPU");
    }
    int strides[bm::kMaxPlanes] = {};
    bm::DeviceMemory planes[bm::kMaxPlanes] = {};
    if (Code code = check(library_.api.bm_image_get_stride(raw, strides), "bm_image_get_stride", error);
        code != Code::kOk) {
      return code;
    }
    if (Code code = check(library_.api.bm_image_get_device_mem(raw, planes), "bm_image_get_device_mem", error);
        code != Code::kOk) {
      return code;
    }
    picture.width_px = raw.width;
    picture.height_px = raw.height;
    for (int plane = 0; plane < plane_count(picture); ++plane) {
      picture.planes[plane] = reinterpret_cast<void*>(planes[plane].address);
      picture.stride_bytes[plane] = strides[plane];
    }
    picture.matrix = abi::ColorMatrix::kBt601;  // JFIF 1.02 fixes all three
    picture.range = abi::ColorRange::kFull;
    picture.siting = abi::ChromaSiting::kCenter;
    picture.place = abi::Place::kDevice;
    return Code::kOk;
  }

  const Libraries* libraries_ = nullptr;
  ImageLibrary library_;
  Device device_;
  std::deque<Picture> ready_;
};

struct Release {
  void operator()(abi::Decoder* decoder) const noexcept { decoder->release(); }
};

}  // namespace

Code open_jpeg_decoder(const Libraries& libraries, std::int32_t device, abi::Decoder** decoder, Error* error) noexcept {
  auto* const opening = new JpegDecoder;
  std::unique_ptr<abi::Decoder, Release> opened(opening);
  if (Code code = opening->open(libraries, device, error); code != Code::kOk) return code;
  *decoder = opened.release();
  return Code::kOk;
}

}  // namespace edgecore::sophon
