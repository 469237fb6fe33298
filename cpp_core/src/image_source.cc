#include "image_source.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "edgecore/backend.h"
#include "edgecore/decoder.h"
#include "edgecore/jpeg.h"
#include "file_bytes.h"
#include "selection.h"

namespace edgecore {
namespace {

namespace fs = std::filesystem;

bool is_jpeg_name(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& letter : extension) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return extension == ".jpg" || extension == ".jpeg";
}

Result<std::vector<fs::path>> list_images(const fs::path& directory) {
  std::error_code problem;
  std::vector<fs::path> images;
  for (fs::directory_iterator entry(directory, problem), end; !problem && entry != end; entry.increment(problem)) {
    if (is_jpeg_name(entry->path())) images.push_back(entry->path());
  }
  if (problem) return Error{Code::kNotFound, directory.string() + ": " + problem.message(), ""};
  if (images.empty()) {
    return Error{Code::kNotFound, directory.string() + ": no *.jpg or *.jpeg in this directory",
                 "name a video file, or a directory that holds the images itself (subdirectories are not searched)"};
  }
  std::sort(images.begin(), images.end());
  return images;
}

/// One JPEG through a backend's decoder, which may give its picture only once it knows that nothing follows.
Result<Frame> decode(Decoder& decoder, const fs::path& path) {
  const auto in_file = [&](const Error& error) {
    return Error{error.code, path.string() + ": " + error.message, error.hint};
  };
  const Result<std::vector<std::uint8_t>> bytes = read_bytes(path);
  if (!bytes) return bytes.error();
  if (Status pushed = decoder.push(bytes->data(), bytes->size(), 0); !pushed) return in_file(pushed.error());
  Result<std::optional<Frame>> frame = decoder.pull();
  if (frame && !frame->has_value()) {
    if (Status ended = decoder.push(nullptr, 0, 0); !ended) return in_file(ended.error());
    frame = decoder.pull();
  }
  if (!frame) return in_file(frame.error());
  if (!frame->has_value()) return Error{Code::kCorrupt, path.string() + ": the decoder finds no picture in it", ""};
  return **std::move(frame);
}

Result<std::optional<Decoder>> open_jpeg_decoder(const SourceRequest& request) {
  if (request.decoder.empty()) return std::optional<Decoder>();
  const Result<Backend> backend = open_backend(request.decoder, request.backends);
  if (!backend) return backend.error();
  Result<Decoder> decoder = backend->open_decoder(Codec::kJpeg, request.decoder_device);
  if (!decoder) return decoder.error();
  return std::optional<Decoder>(*std::move(decoder));
}

class ImageSource final : public Source {
 public:
  /// decoder: nullopt for the CPU's.
  ImageSource(std::string uri, std::vector<fs::path> images, Selection selection, std::optional<Decoder> decoder)
      : uri_(std::move(uri)),
        images_(std::move(images)),
        selection_(std::move(selection)),
        decoder_(std::move(decoder)) {}

  Result<std::optional<Frame>> next() override {
    while (!selection_.done() && next_ < images_.size()) {
      const std::size_t at = next_++;
      if (selection_.take(static_cast<std::int64_t>(at))) return read(at);
    }
    if (auto error = selection_.missing(uri_, static_cast<std::int64_t>(images_.size()))) return *error;
    return std::optional<Frame>();
  }

  std::string describe() const override {
    return images_.size() == 1 ? "1 JPEG image" : std::to_string(images_.size()) + " JPEG images";
  }

 private:
  Result<std::optional<Frame>> read(std::size_t at) {
    Result<Frame> frame = decoder_ ? decode(*decoder_, images_[at]) : read_jpeg(images_[at]);
    if (!frame) return frame.error();
    frame->index = static_cast<std::int64_t>(at);
    return std::optional<Frame>(std::move(*frame));
  }

  std::string uri_;
  std::vector<fs::path> images_;
  Selection selection_;
  std::optional<Decoder> decoder_;
  std::size_t next_ = 0;
};

}  // namespace

Result<std::unique_ptr<Source>> open_image_source(const SourceRequest& request) {
  Result<Selection> selection = Selection::make(request);
  if (!selection) return selection.error();
  std::vector<fs::path> images{request.uri};
  std::error_code ignored;  // what is no directory is read as an image, which says what is wrong
  if (fs::is_directory(request.uri, ignored)) {
    Result<std::vector<fs::path>> listed = list_images(request.uri);
    if (!listed) return listed.error();
    images = std::move(*listed);
  }
  Result<std::optional<Decoder>> decoder = open_jpeg_decoder(request);
  if (!decoder) return decoder.error();
  return std::unique_ptr<Source>(
      std::make_unique<ImageSource>(request.uri, std::move(images), std::move(*selection), *std::move(decoder)));
}

bool has_jpeg_magic(const fs::path& path) {
  // SOI and the first byte of the next marker. Source: ITU-T T.81, Annex B.
  constexpr std::array<char, 3> kMagic{'\xff', '\xd8', '\xff'};
  std::array<char, 3> start{};
  std::ifstream file(path, std::ios::binary);
  file.read(start.data(), start.size());
  return file.gcount() == static_cast<std::streamsize>(start.size()) && start == kMagic;
}

}  // namespace edgecore
