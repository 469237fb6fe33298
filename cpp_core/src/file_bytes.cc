#include "file_bytes.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace edgecore {

Result<std::vector<std::uint8_t>> read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{Code::kNotFound, path.string() + ": " + std::strerror(errno), ""};
  std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) return Error{Code::kCorrupt, path.string() + ": cannot be read to its end", ""};
  return bytes;
}

}  // namespace edgecore
