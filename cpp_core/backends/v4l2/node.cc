#include "node.h"

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <filesystem>
#include <iterator>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "edgecore/module.h"

namespace edgecore::v4l2 {
namespace {

using edgecore::abi::Code;
using edgecore::abi::Codec;
using edgecore::abi::Error;
using module::fail;

// Jetson Linux 36 has the first (Multimedia API, samples/Rules.mk), 32 and 35 the second, which other systems have too.
constexpr const char* kLibraries[] = {"libnvv4l2.so", "libv4l2.so.0"};
// Of Jetson: the names that NvVideoDecoder.cpp of Jetson Linux 36.2 tries. Only their library decodes behind them.
constexpr const char* kLibraryNodes[] = {"/dev/nvhost-nvdec", "/dev/v4l2-nvdec"};
constexpr std::uint32_t kProbeBytes = 1 << 20;

const char* setting(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

int kernel_open(const char* file, int flags, ...) { return ::open(file, flags); }
int kernel_ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  return ::ioctl(fd, request, argument);
}
void* kernel_mmap(void* start, std::size_t length, int protection, int flags, int fd, std::int64_t offset) {
  return ::mmap(start, length, protection, flags, fd, offset);
}
int kernel_munmap(void* start, std::size_t length) { return ::munmap(start, length); }

template <typename Function>
bool look_up(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

/// The first library that opens; false, with the loader's words, where none does.
bool open_library(Door& door, std::string& tried) {
  const char* chosen = setting("EDGECORE_V4L2_LIBRARY");
  for (const char* name : kLibraries) {
    if (chosen != nullptr) name = chosen;
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr && look_up(library, "v4l2_open", door.open) && look_up(library, "v4l2_close", door.close) &&
        look_up(library, "v4l2_ioctl", door.ioctl) && look_up(library, "v4l2_mmap", door.mmap) &&
        look_up(library, "v4l2_munmap", door.munmap)) {
      door.title = name;
      door.is_kernel = false;
      return true;
    }
    tried += std::string(tried.empty() ? "" : "; ") + dlerror();
    if (chosen != nullptr) break;
  }
  return false;
}

/// "/dev/video2" before "/dev/video10".
std::vector<std::string> video_nodes() {
  std::vector<std::string> paths;
  std::error_code error;
  for (std::filesystem::directory_iterator file("/dev", error), end; !error && file != end; file.increment(error)) {
    if (file->path().filename().string().rfind("video", 0) == 0) paths.push_back(file->path());
  }
  std::sort(paths.begin(), paths.end(), [](const std::string& left, const std::string& right) {
    return left.size() != right.size() ? left.size() < right.size() : left < right;
  });
  return paths;
}

/// What the node's driver calls itself; nullopt for anything but a decoder, with why in `tried`.
bool is_decoder(const Door& door, const std::string& path, std::string& title, std::string& tried) {
  Device device;
  abi::Capability facts{};
  abi::Format format{};
  const char* flaw = nullptr;
  if (!device.open(door, path) || device.call(abi::kQueryCapabilities, &facts) != 0) {
    flaw = std::strerror(errno);
  } else {
    const bool is_detailed = (facts.capabilities & abi::kCapDeviceCaps) != 0;
    if (((is_detailed ? facts.device_caps : facts.capabilities) & abi::kCapM2mMplane) == 0) {
      flaw = "no memory-to-memory device";
    } else if (!set_codec(device, Codec::kH264, kProbeBytes, format) &&
               !set_codec(device, Codec::kH265, kProbeBytes, format)) {
      flaw = "decodes neither H.264 nor H.265 by itself";
    }
  }
  if (flaw != nullptr) {
    tried += (tried.empty() ? "" : "; ") + path + " (" + door.title + "): " + flaw;
    return false;
  }
  const char* card = reinterpret_cast<const char*>(facts.card);
  title.assign(card, strnlen(card, sizeof facts.card));
  return true;
}

}  // namespace

bool Node::is_surface() const noexcept {
  return std::find(std::begin(kLibraryNodes), std::end(kLibraryNodes), path) != std::end(kLibraryNodes);
}

Device::~Device() {
  if (fd_ >= 0) door_->close(fd_);
}

bool Device::open(const Door& door, const std::string& path) noexcept {
  door_ = &door;
  fd_ = door.open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  return fd_ >= 0;
}

int Device::call(unsigned long request, void* argument) const noexcept {
  for (;;) {
    if (door_->ioctl(fd_, request, argument) == 0) return 0;
    if (errno != EINTR) return errno != 0 ? errno : EIO;
  }
}

void Device::wait() const noexcept {
  if (door_->is_kernel) {
    pollfd wanted{fd_, POLLIN | POLLOUT | POLLPRI, 0};
    // An error (nothing is queued on either side) returns at once: then time has to pass by itself.
    if (::poll(&wanted, 1, 20) > 0 && (wanted.revents & POLLERR) == 0) return;
  }
  // What a plug-in of libv4l2 makes of a node is not known to poll().
  const timespec moment{0, 1000000};
  nanosleep(&moment, nullptr);
}

void* Device::map(std::size_t size_bytes, std::int64_t offset) const noexcept {
  void* address = door_->mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, offset);
  return address == MAP_FAILED ? nullptr : address;
}

void Device::unmap(void* address, std::size_t size_bytes) const noexcept { door_->munmap(address, size_bytes); }

Code Nodes::find(Error* error) noexcept {
  std::string tried;
  const auto look_at = [&](const Door& door, const std::string& path) {
    Node node{&door, path, {}};
    if (is_decoder(door, path, node.title, tried)) found_.push_back(node);
  };
  kernel_ = {"the kernel", true, kernel_open, ::close, kernel_ioctl, kernel_mmap, kernel_munmap};
  const char* chosen = setting("EDGECORE_V4L2_DEVICE");
  if (open_library(library_, tried)) {
    if (chosen != nullptr && setting("EDGECORE_V4L2_LIBRARY") != nullptr) look_at(library_, chosen);
    for (const char* path : kLibraryNodes) {
      if (found_.empty() && (chosen == nullptr || std::strcmp(chosen, path) == 0)) look_at(library_, path);
    }
  }
  if (found_.empty() && chosen != nullptr) look_at(kernel_, chosen);
  if (found_.empty() && chosen == nullptr) {
    for (const std::string& path : video_nodes()) look_at(kernel_, path);
  }
  if (!found_.empty()) return Code::kOk;
  return fail(error, Code::kNotFound,
              "no V4L2 video decoder: %.330s; pass the box's nodes into a container (--device, /dev/video* or "
              "/dev/nvhost-nvdec), or name one in EDGECORE_V4L2_DEVICE",
              tried.empty() ? "there is no /dev/video*" : tried.c_str());
}

bool set_codec(const Device& device, Codec codec, std::uint32_t size_bytes, abi::Format& format) noexcept {
  if (codec == Codec::kJpeg) return false;
  for (const std::uint32_t wanted : {codec == Codec::kH264 ? abi::kH264 : abi::kHevc, abi::kH265}) {
    if (codec == Codec::kH264 && wanted != abi::kH264) continue;
    format = {};
    format.type = abi::kOutputMplane;
    format.pixels.pixel_format = wanted;
    format.pixels.plane_count = 1;
    format.pixels.planes[0].size_bytes = size_bytes;
    if (device.call(abi::kSetFormat, &format) == 0 && format.pixels.pixel_format == wanted) return true;
  }
  return false;
}

}  // namespace edgecore::v4l2
