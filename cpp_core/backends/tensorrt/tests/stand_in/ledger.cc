#include "ledger.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace stand_in {
namespace {

const char* value_of(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string quoted(const std::string& words) {
  std::string out = "\"";
  for (const char c : words) {
    if (c == '"' || c == '\\') out += '\\';
    out += c < ' ' ? ' ' : c;
  }
  return out + '"';
}

}  // namespace

std::string text(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

Ledger& Ledger::get() {
  static Ledger* const ledger = [] {
    auto* made = new Ledger;  // never destroyed: others' destructors may still call
    std::atexit([] { Ledger::get().report(); });
    return made;
  }();
  return *ledger;
}

Ledger::Ledger()
    : fail_at_(std::strtol(value_of("EDGECORE_STAND_IN_FAIL"), nullptr, 10)),
      report_(value_of("EDGECORE_STAND_IN_REPORT")),
      branches_(std::strcmp(value_of("EDGECORE_STAND_IN_FAIL"), "each") == 0, report_) {}

bool Ledger::fails(const char* call) {
  const Locked locked(lock_);
  if (branches_.leave(++calls_)) fail_at_ = calls_;
  if (calls_ != fail_at_) return false;
  failed_ = call;
  return true;
}

void Ledger::born(const char* kind, const void* handle) {
  const Locked locked(lock_);
  alive_[handle] = kind;
}

bool Ledger::died(const char* kind, const void* handle) {
  const Locked locked(lock_);
  if (!expect(kind, handle, "freed")) return false;
  alive_.erase(handle);
  return true;
}

bool Ledger::is_alive(const char* kind, const void* handle) const {
  const auto found = alive_.find(handle);
  return found != alive_.end() && found->second == kind;
}

bool Ledger::expect(const char* kind, const void* handle, const char* call) {
  const Locked locked(lock_);
  if (is_alive(kind, handle)) return true;
  broken(text("%s: %p is no %s, or was freed", call, handle, kind));
  return false;
}

void Ledger::broken(const std::string& rule) {
  const Locked locked(lock_);
  std::fprintf(stderr, "stand-in: rule broken after %ld calls: %s\n", calls_, rule.c_str());
  broken_.push_back(rule);
}

void Ledger::report() {
  branches_.wait();
  if (report_.empty()) return;
  std::string line = text("{\"pid\": %d, \"calls\": %ld, \"at\": %ld, \"failed\": ", getpid(), calls_, fail_at_) +
                     quoted(failed_) + ", \"alive\": [";
  for (const auto& [handle, kind] : alive_) line += (line.back() == '[' ? "" : ", ") + quoted(kind);
  line += "], \"broken\": [";
  for (const std::string& rule : broken_) line += (line.back() == '[' ? "" : ", ") + quoted(rule);
  line += "]}";
  append_line(report_, line);
}

}  // namespace stand_in
