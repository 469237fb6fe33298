#include "image_source.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "edgecore/jpeg.h"
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

class ImageSource final : public Source {
 public:
  ImageSource(std::string uri, std::vector<fs::path> images, Selection selection)
      : uri_(std::move(uri)), images_(std::move(images)), selection_(std::move(selection)) {}

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
  Result<std::optional<Frame>> read(std::size_t at) const {
    Result<Frame> frame = read_jpeg(images_[at]);
    if (!frame) return frame.error();
    frame->index = static_cast<std::int64_t>(at);
    return std::optional<Frame>(std::move(*frame));
  }

  std::string uri_;
  std::vector<fs::path> images_;
  Selection selection_;
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
  return std::unique_ptr<Source>(
      std::make_unique<ImageSource>(request.uri, std::move(images), std::move(*selection)));
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
