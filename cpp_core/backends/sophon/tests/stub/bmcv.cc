// A stand-in for libbmcv.so.0, for tests alone: images, VPP, the TPU's line per channel, and JPEG by libjpeg-turbo.
// What VPP refuses is refused, by the rules in bmcv's own source (vpp_format_allowed_map, api/vpp_basic.rst).

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

#include <turbojpeg.h>

#include "images.h"

using stub::bytes_at;
using stub::fails;
using stub::known;
using stub::require;

namespace {

constexpr int kPackedBgr = 11;  // FORMAT_BGR_PACKED

std::set<bm::ImagePrivate*>& all() {
  static auto* const kept = new std::set<bm::ImagePrivate*>;
  return *kept;
}

struct PlaneShape {
  int row_bytes;
  int rows;
};

std::vector<PlaneShape> planes_of(const bm::Image& image) {
  const int size = image.type == bm::kImageFloat32 ? 4 : 1;
  const int half_width = (image.width + 1) / 2;
  const int half_height = (image.height + 1) / 2;
  const PlaneShape whole{image.width * size, image.height};
  switch (image.format) {
    case bm::kYuv420Planar: return {whole, {half_width, half_height}, {half_width, half_height}};
    case bm::kYuv422Planar: return {whole, {half_width, image.height}, {half_width, image.height}};
    case bm::kYuv444Planar: return {whole, whole, whole};
    case bm::kNv12: return {whole, {2 * half_width, half_height}};
    case bm::kRgbPlanar:
    case bm::kBgrPlanar: return {{whole.row_bytes, 3 * image.height}};
    case bm::kGray: return {whole};
  }
  require(static_cast<int>(image.format) == kPackedBgr, "formats are bmcv's");
  return {{3 * image.width, image.height}};
}

/// Rows of its own, as the JPEG unit leaves them.
void allocate(const bm::Image& image, int alignment) {
  bm::ImagePrivate& owner = known(image);
  std::vector<std::uint64_t> offsets;
  unsigned total = 0;
  const std::vector<PlaneShape> shapes = planes_of(image);
  for (std::size_t plane = 0; plane < shapes.size(); ++plane) {
    const int aligned = plane == 0 ? alignment : alignment / 2;
    owner.strides[plane] = (shapes[plane].row_bytes + aligned - 1) / aligned * aligned;
    offsets.push_back(total);
    const int whole_blocks = (owner.rows[plane] + 15) / 16 * 16;
    total += static_cast<unsigned>(owner.strides[plane] * whole_blocks);
  }
  const bm::DeviceMemory memory = sophon_stub_take(owner.handle, total, 1);
  owner.owns_planes = true;
  for (std::size_t plane = 0; plane < shapes.size(); ++plane) {
    const auto size = static_cast<unsigned>(owner.strides[plane] * owner.rows[plane]);
    owner.planes.push_back(bm::memory_at(memory.address + offsets[plane], size));
  }
}

bool within(int value, int low, int high) { return value >= low && value <= high; }

bool vpp_takes(const bm::Image& from, const bm::Image& to, const bm::Padding& place) {
  const bool is_halved = from.format == bm::kNv12 || from.format == bm::kYuv420Planar;
  if (!is_halved && from.format != bm::kYuv444Planar) return false;
  if (to.format != bm::kRgbPlanar && to.format != bm::kBgrPlanar) return false;
  for (const int side : {from.width, from.height, to.width, to.height, static_cast<int>(place.width),
                         static_cast<int>(place.height)}) {
    if (!within(side, 16, 4096)) return false;
  }
  if (is_halved && (from.width % 2 != 0 || from.height % 2 != 0)) return false;
  const auto scales = [](int given, unsigned wanted) {
    const auto side = static_cast<unsigned>(given);
    return side * 32 >= wanted && wanted * 32 >= side;
  };
  if (!scales(from.width, place.width) || !scales(from.height, place.height)) return false;
  for (const bm::Image* image : {&from, &to}) {
    const bm::ImagePrivate& owner = known(*image);
    for (std::size_t plane = 0; plane < owner.planes.size(); ++plane) {
      const int alignment = plane > 0 && image->format == bm::kYuv420Planar ? 32 : 64;
      if (owner.strides[plane] % alignment != 0 || owner.planes[plane].address % 32 != 0) return false;
    }
  }
  return true;
}

void require_attached(const bm::Image& image, bool by_vpp) {
  const bm::ImagePrivate& owner = known(image);
  require(!owner.planes.empty(), "images have memory before they are used");
  for (const bm::DeviceMemory& plane : owner.planes) {
    const int heap = sophon_stub_heap_of(plane.address, plane.size_bytes);
    require(heap >= 0, "images lie in memory that was taken");
    require(!by_vpp || heap > 0, "VPP reads and writes in heaps 1 and 2");
  }
}

}  // namespace

bm::ImagePrivate& stub::known(const bm::Image& image) {
  require(all().count(image.private_part) != 0, "images are created before, and destroyed after, they are used");
  return *image.private_part;
}

STUB_EXPORT bm::Status bm_image_create(bm::Handle handle, int height, int width, bm::ImageFormat format,
                                       bm::ImageType type, bm::Image* image, int* strides) {
  if (fails("bm_image_create")) return bm::kFailure;
  auto owner = std::make_unique<bm::ImagePrivate>();
  owner->handle = handle;
  *image = {width, height, format, type, owner.get()};
  int plane = 0;
  for (const PlaneShape& shape : planes_of(*image)) {
    owner->strides.push_back(strides == nullptr ? shape.row_bytes : strides[plane++]);
    owner->rows.push_back(shape.rows);
    if (owner->strides.back() < shape.row_bytes) return bm::kParameter;
  }
  all().insert(owner.release());
  ++handle->open_images;
  return bm::kSuccess;
}

STUB_EXPORT bm::Status bm_image_destroy(bm::Image image) {
  bm::ImagePrivate& owner = known(image);
  if (owner.owns_planes) bm_free_device(owner.handle, owner.planes.front());
  --owner.handle->open_images;
  all().erase(&owner);
  delete &owner;
  return bm::kSuccess;
}

STUB_EXPORT bm::Status bm_image_attach(bm::Image image, bm::DeviceMemory* planes) {
  bm::ImagePrivate& owner = known(image);
  require(owner.planes.empty(), "images get their memory once");
  if (fails("bm_image_attach")) return bm::kFailure;
  for (std::size_t plane = 0; plane < owner.strides.size(); ++plane) {
    const auto size_bytes = static_cast<unsigned>(owner.strides[plane] * owner.rows[plane]);
    if (planes[plane].size_bytes < size_bytes) return bm::kParameter;
    owner.planes.push_back(planes[plane]);
  }
  return bm::kSuccess;
}

STUB_EXPORT bm::Status bm_image_get_stride(bm::Image image, int* strides) {
  const bm::ImagePrivate& owner = known(image);
  std::copy(owner.strides.begin(), owner.strides.end(), strides);
  return fails("bm_image_get_stride") ? bm::kFailure : bm::kSuccess;
}

STUB_EXPORT bm::Status bm_image_get_device_mem(bm::Image image, bm::DeviceMemory* planes) {
  const bm::ImagePrivate& owner = known(image);
  std::copy(owner.planes.begin(), owner.planes.end(), planes);
  return fails("bm_image_get_device_mem") ? bm::kFailure : bm::kSuccess;
}

STUB_EXPORT bm::Status bmcv_image_vpp_basic(bm::Handle handle, int count, bm::Image* in, bm::Image* out,
                                            int* crop_counts, bm::Rectangle* crops, bm::Padding* padding,
                                            bm::Resampling resampling, bm::ColorConversion conversion, void* matrix) {
  require(count == 1 && crop_counts == nullptr && crops == nullptr && matrix == nullptr && padding != nullptr,
          "this stand-in knows one picture, whole, with its place");
  require(known(*in).handle == handle && known(*out).handle == handle, "images are of the handle that uses them");
  require(resampling == bm::kLinear, "pictures are resampled linearly");
  require(in->type == bm::kImageByte && out->type == bm::kImageByte, "VPP of BM1684 knows bytes");
  require_attached(*in, true);
  require_attached(*out, true);
  require(padding->left + padding->width <= static_cast<unsigned>(out->width) &&
              padding->top + padding->height <= static_cast<unsigned>(out->height),
          "the picture's place is inside the output");
  if (fails("bmcv_image_vpp_basic")) return bm::kTimeout;
  if (!vpp_takes(*in, *out, *padding)) return bm::kNotSupported;
  stub::draw(*in, *out, *padding, conversion);
  return bm::kSuccess;
}

STUB_EXPORT bm::Status bmcv_image_convert_to(bm::Handle handle, int count, bm::Linear linear, bm::Image* in,
                                             bm::Image* out) {
  const bm::ImagePrivate& from = known(*in);
  const bm::ImagePrivate& to = known(*out);
  require(count == 1 && from.handle == handle && to.handle == handle, "images are of the handle that uses them");
  require_attached(*in, false);
  require_attached(*out, false);
  if (fails("bmcv_image_convert_to")) return bm::kTimeout;
  const bool is_same = in->format == out->format && in->width == out->width && in->height == out->height;
  const bool is_known = in->type == bm::kImageByte && out->type == bm::kImageFloat32 &&
                        to.strides[0] == 4 * out->width && within(out->width, 16, 2048) &&
                        within(out->height, 16, 2048);
  if (!is_same || !is_known) return bm::kData;
  const float alphas[] = {linear.alpha_0, linear.alpha_1, linear.alpha_2};
  const float betas[] = {linear.beta_0, linear.beta_1, linear.beta_2};
  auto* number = reinterpret_cast<float*>(bytes_at(to.planes[0].address));
  for (int channel = 0; channel < 3; ++channel) {
    for (int y = 0; y < in->height; ++y) {
      const auto* row = bytes_at(from.planes[0].address) +
                        (std::ptrdiff_t{channel} * in->height + y) * std::ptrdiff_t{from.strides[0]};
      for (int x = 0; x < in->width; ++x) *number++ = static_cast<float>(row[x]) * alphas[channel] + betas[channel];
    }
  }
  return bm::kSuccess;
}

STUB_EXPORT bm::Status bmcv_image_jpeg_dec(bm::Handle handle, void** data, std::size_t* sizes, int count,
                                           bm::Image* out, int in_device) {
  require(count == 1 && in_device == 0 && out->private_part == nullptr, "one file of the host's, and an image to make");
  if (fails("bmcv_image_jpeg_dec")) return bm::kFailure;
  const auto* bytes = static_cast<const unsigned char*>(*data);
  const std::unique_ptr<void, int (*)(void*)> jpeg(tjInitDecompress(), tjDestroy);
  int width = 0;
  int height = 0;
  int sampling = 0;
  int colors = 0;
  if (tjDecompressHeader3(jpeg.get(), bytes, *sizes, &width, &height, &sampling, &colors) != 0) return bm::kFailure;
  constexpr unsigned char kProgressive[] = {0xFF, 0xC2};
  const bool is_progressive = std::search(bytes, bytes + *sizes, kProgressive, kProgressive + 2) != bytes + *sizes;
  const auto format = is_progressive        ? static_cast<bm::ImageFormat>(kPackedBgr)
                      : sampling == TJSAMP_GRAY ? bm::kGray
                      : sampling == TJSAMP_420  ? bm::kYuv420Planar
                      : sampling == TJSAMP_422  ? bm::kYuv422Planar
                                                : bm::kYuv444Planar;
  if (bm_image_create(handle, height, width, format, bm::kImageByte, out, nullptr) != bm::kSuccess) return bm::kFailure;
  constexpr int kRowAlignment = 64;
  allocate(*out, format == bm::kYuv444Planar ? 2 * kRowAlignment : kRowAlignment);
  if (is_progressive) return bm::kSuccess;
  bm::ImagePrivate& owner = known(*out);
  unsigned char* planes[3] = {};
  for (std::size_t plane = 0; plane < owner.planes.size(); ++plane) {
    planes[plane] = bytes_at(owner.planes[plane].address);
  }
  const int decoded =
      tjDecompressToYUVPlanes(jpeg.get(), bytes, *sizes, planes, 0, owner.strides.data(), 0, TJFLAG_ACCURATEDCT);
  if (decoded == 0) return bm::kSuccess;
  bm_image_destroy(*out);  // and `out` still names it, as behind libsophon's decoder for what the JPEG unit cannot do
  return bm::kFailure;
}
