#include "edgecore/jpeg.h"

#if EDGECORE_WITH_JPEG

#include <turbojpeg.h>

#include <array>
#include <memory>
#include <optional>

#include "file_bytes.h"

namespace edgecore {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct Destroy {
  void operator()(void* handle) const noexcept { tjDestroy(handle); }
};
using Decompressor = std::unique_ptr<void, Destroy>;

// A header may claim 65500x65500 in a few bytes; no camera makes pictures beyond this.
constexpr std::int64_t kMaxPixels = std::int64_t{1} << 28;

Error corrupt(const std::filesystem::path& path, const std::string& problem) {
  return {Code::kCorrupt, path.string() + ": damaged JPEG: " + problem, "copy or record it again"};
}

Error unsupported(const std::filesystem::path& path, const std::string& what) {
  return {Code::kUnsupported, path.string() + ": JPEG with " + what + " is not supported",
          "save it as YCbCr or gray with 4:2:0, 4:2:2, 4:4:0 or 4:4:4 sampling"};
}

struct Sampling {
  PixelLayout layout;
  std::uint8_t shift_x, shift_y;
};

std::optional<Sampling> sampling_of(int subsampling) {
  switch (subsampling) {
    case TJSAMP_444: return Sampling{PixelLayout::kPlanar, 0, 0};
    case TJSAMP_422: return Sampling{PixelLayout::kPlanar, 1, 0};
    case TJSAMP_420: return Sampling{PixelLayout::kPlanar, 1, 1};
    case TJSAMP_440: return Sampling{PixelLayout::kPlanar, 0, 1};
    case TJSAMP_GRAY: return Sampling{PixelLayout::kGray, 0, 0};
    default: return std::nullopt;
  }
}

struct Header {
  int width_px = 0, height_px = 0, subsampling = 0, colorspace = 0;
};

/// Planes as libjpeg-turbo wants them (padded to whole chroma samples), in one block the frame owns.
Frame allocate(const Header& header, const Sampling& sampling, std::array<unsigned char*, 3>& planes) {
  const std::size_t count = sampling.layout == PixelLayout::kGray ? 1 : 3;
  std::array<std::size_t, 3> offsets{};
  std::size_t total = 0;
  Frame frame;
  for (std::size_t at = 0; at < count; ++at) {
    const int component = static_cast<int>(at);
    frame.planes[at].stride_bytes = tjPlaneWidth(component, header.width_px, header.subsampling);
    offsets[at] = total;
    total += tjPlaneSizeYUV(component, header.width_px, 0, header.height_px, header.subsampling);
  }
  auto block = std::make_shared<Bytes>(total);
  for (std::size_t at = 0; at < count; ++at) frame.planes[at].data = planes[at] = block->data() + offsets[at];
  frame.width_px = header.width_px;
  frame.height_px = header.height_px;
  frame.layout = sampling.layout;
  frame.chroma_shift_x = sampling.shift_x;
  frame.chroma_shift_y = sampling.shift_y;
  // JFIF 1.02 fixes all three.
  frame.matrix = ColorMatrix::kBt601;
  frame.range = ColorRange::kFull;
  frame.siting = ChromaSiting::kCenter;
  frame.owner = std::move(block);
  return frame;
}

}  // namespace

Result<Frame> read_jpeg(const std::filesystem::path& path) {
  const Result<Bytes> bytes = read_bytes(path);
  if (!bytes) return bytes.error();
  const Decompressor jpeg(tjInitDecompress());
  if (!jpeg) return Error{Code::kInternal, std::string("tjInitDecompress: ") + tjGetErrorStr2(nullptr), ""};

  const auto size = static_cast<unsigned long>(bytes->size());
  Header header;
  if (tjDecompressHeader3(jpeg.get(), bytes->data(), size, &header.width_px, &header.height_px, &header.subsampling,
                          &header.colorspace) != 0) {
    return corrupt(path, tjGetErrorStr2(jpeg.get()));
  }
  if (header.width_px <= 0 || header.height_px <= 0) return corrupt(path, "there is no picture in it");
  if (header.colorspace != TJCS_YCbCr && header.colorspace != TJCS_GRAY) return unsupported(path, "RGB or CMYK samples");
  const std::optional<Sampling> sampling = sampling_of(header.subsampling);
  if (!sampling) return unsupported(path, "this chroma subsampling");
  if (static_cast<std::int64_t>(header.width_px) * header.height_px > kMaxPixels) {
    return unsupported(path, std::to_string(header.width_px) + "x" + std::to_string(header.height_px) + " pixels");
  }

  std::array<unsigned char*, 3> planes{};
  Frame frame = allocate(header, *sampling, planes);
  std::array<int, 3> strides{};
  for (std::size_t at = 0; at < 3; ++at) strides[at] = frame.planes[at].stride_bytes;
  // The accurate DCT is bit-exact between CPUs; a warning (a truncated scan) counts as damage.
  if (tjDecompressToYUVPlanes(jpeg.get(), bytes->data(), size, planes.data(), 0, strides.data(), 0,
                              TJFLAG_ACCURATEDCT) != 0) {
    return corrupt(path, tjGetErrorStr2(jpeg.get()));
  }
  return frame;
}

}  // namespace edgecore

#else

namespace edgecore {

Result<Frame> read_jpeg(const std::filesystem::path& path) {
  return Error{Code::kUnsupported, path.string() + ": this build reads no JPEG", "build with EDGECORE_WITH_JPEG=ON"};
}

}  // namespace edgecore

#endif
