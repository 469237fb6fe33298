#include "image.h"

#include "edgecore/module.h"
#include "library.h"
#include "runtime.h"

namespace edgecore::sophon {
namespace {

using abi::Code;
using module::fail;

// SOPHONSDK's SONAME, and the plain name that BMNNSDK2 has.
constexpr std::initializer_list<const char*> kNames = {"libbmcv.so.0", "libbmcv.so"};

}  // namespace

Code open_image_library(ImageLibrary& library, abi::Error* error) noexcept {
  std::string reasons;
  void* opened = open_library("EDGECORE_BMCV", kNames, reasons);
  if (opened == nullptr) {
    return fail(error, Code::kNotFound,
                "libbmcv cannot be opened, and without it the CPU decodes JPEG and makes pictures ready: %s; install "
                "the SDK's libsophon on the box and run ldconfig, or name the file in EDGECORE_BMCV",
                reasons.c_str());
  }
  library.path = path_of(opened);
  bm::ImageApi& api = library.api;
  Resolver find(opened);
  find(api.bm_image_create, "bm_image_create");
  find(api.bm_image_destroy, "bm_image_destroy");
  find(api.bm_image_attach, "bm_image_attach");
  find(api.bm_image_get_stride, "bm_image_get_stride");
  find(api.bm_image_get_device_mem, "bm_image_get_device_mem");
  find(api.bmcv_image_vpp_basic, "bmcv_image_vpp_basic");
  find(api.bmcv_image_convert_to, "bmcv_image_convert_to");
  find(api.bmcv_image_jpeg_dec, "bmcv_image_jpeg_dec");
  if (find.missing() == nullptr) return Code::kOk;
  return fail(error, Code::kUnsupported, "%s exports no %s, so the CPU decodes JPEG and makes pictures ready",
              library.path.c_str(), find.missing());
}

Image::~Image() {
  if (library_ != nullptr) library_->api.bm_image_destroy(raw_);
}

Code Image::create(const ImageLibrary& library, bm::Handle handle, const bm::Image& description, int* strides,
                   bm::DeviceMemory* planes, abi::Error* error) noexcept {
  const bm::ImageApi& api = library.api;
  bm::Image made{};
  const bm::Status created = api.bm_image_create(handle, description.height, description.width, description.format,
                                                 description.type, &made, strides);
  if (Code code = check(created, "bm_image_create", error); code != Code::kOk) return code;
  *this = adopt(library, made);
  return check(api.bm_image_attach(raw_, planes), "bm_image_attach", error);
}

Image Image::adopt(const ImageLibrary& library, const bm::Image& raw) noexcept {
  Image image;
  image.library_ = &library;
  image.raw_ = raw;
  return image;
}

}  // namespace edgecore::sophon
