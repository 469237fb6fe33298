// Stand-in for libv4l2.so.0, for tests alone: behind its five functions are decoders that check their caller and decode
// with FFmpeg. /dev/nvhost-nvdec behaves like a Jetson's; /dev/video-FOURCC like the kernel's drivers, with pictures as
// FOURCC says. What it counts: tests/stand_in/ledger.h of the TensorRT backend; each call of v4l2_ioctl can be made to fail.

#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

#include "decoder_node.h"
#include "tests/stand_in/ledger.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace stand_in {
namespace {

std::map<int, std::unique_ptr<DecoderNode>>& nodes() {
  static auto* const opened = new std::map<int, std::unique_ptr<DecoderNode>>;
  return *opened;
}

/// False: there is no such node.
bool find_habit(const std::string& path, Habit& habit) {
  if (path == "/dev/nvhost-nvdec") {
    habit = {true, v4l2::kNv12M, 2};
    return true;
  }
  const std::pair<const char*, Habit> kernels[] = {{"/dev/video-NV12", {false, v4l2::kNv12, 1}},
                                                   {"/dev/video-old", {false, v4l2::kNv12, 1, false}},
                                                   {"/dev/video-NM12", {false, v4l2::kNv12M, 2}},
                                                   {"/dev/video-YU12", {false, v4l2::kYuv420, 1}},
                                                   {"/dev/video-YM12", {false, v4l2::kYuv420M, 3}}};
  for (const auto& [name, kind] : kernels) {
    if (path == name) {
      habit = kind;
      return true;
    }
  }
  return false;
}

int failed(int code) {
  errno = code;
  return -1;
}

}  // namespace
}  // namespace stand_in

using namespace stand_in;  // NOLINT: what follows is C

EXPORT int v4l2_open(const char* file, int flags, ...) {
  const Locked locked(Ledger::get().lock());
  Habit habit;
  if (!find_habit(file, habit)) return failed(ENOENT);
  if (Ledger::get().fails("v4l2_open")) return failed(EIO);
  if ((flags & O_NONBLOCK) == 0) Ledger::get().broken("v4l2_open: calls would block");
  const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  auto node = std::make_unique<DecoderNode>(habit);
  Ledger::get().born("node", node.get());
  nodes()[fd] = std::move(node);
  return fd;
}

EXPORT int v4l2_close(int fd) {
  const Locked locked(Ledger::get().lock());
  const auto found = nodes().find(fd);
  if (found == nodes().end()) {
    Ledger::get().broken("v4l2_close: no node of ours");
    return failed(EBADF);
  }
  Ledger::get().died("node", found->second.get());
  nodes().erase(found);
  return close(fd);
}

EXPORT int v4l2_ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  const Locked locked(Ledger::get().lock());
  const auto found = nodes().find(fd);
  if (found == nodes().end()) {
    Ledger::get().broken("v4l2_ioctl: no node of ours");
    return failed(EBADF);
  }
  if (Ledger::get().fails(text("ioctl %lu", request & 0xffU).c_str())) return failed(EIO);
  const int code = found->second->call(request, argument);
  return code == 0 ? 0 : failed(code);
}

EXPORT void* v4l2_mmap(void*, std::size_t length, int, int, int fd, std::int64_t offset) {
  const Locked locked(Ledger::get().lock());
  const auto found = nodes().find(fd);
  void* mapped = nullptr;
  if (found != nodes().end() && !Ledger::get().fails("v4l2_mmap")) mapped = found->second->map(length, offset);
  if (mapped == nullptr) {
    errno = EIO;
    return MAP_FAILED;
  }
  Ledger::get().born("mapping", mapped);
  return mapped;
}

EXPORT int v4l2_munmap(void* start, std::size_t length) {
  if (!Ledger::get().died("mapping", start)) return failed(EINVAL);
  return munmap(start, length);
}
