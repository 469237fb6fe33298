#include "ffmpeg_library.h"

extern "C" {
#include <libavutil/avutil.h>
}

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>

namespace edgecore::ffmpeg {
namespace {

thread_local char log_line[256];

void keep_error(void*, int level, const char* format, std::va_list arguments) {
  if (level > AV_LOG_ERROR) return;
  std::vsnprintf(log_line, sizeof log_line, format, arguments);
  log_line[std::strcspn(log_line, "\n")] = '\0';
}

}  // namespace

void silence_log() {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_callback(keep_error); });
  clear_log();
}

void clear_log() noexcept { log_line[0] = '\0'; }

std::string last_words(const std::string& otherwise) { return log_line[0] == '\0' ? otherwise : log_line; }

std::string reason(int rc) {
  char text[AV_ERROR_MAX_STRING_SIZE];
  av_strerror(rc, text, sizeof text);
  return last_words(text);
}

}  // namespace edgecore::ffmpeg
