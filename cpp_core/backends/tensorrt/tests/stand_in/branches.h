// Every call of a program fails once, out of one run of it: at each call the process forks, and the child goes on with that
// call failing. What the call finds has not to be made again, which is most of the time under emulation: libraries
// loaded, code translated, a model read.
//
// A program with threads of its own cannot be run like this: a child has but the one that called.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <sys/types.h>
#include <thread>
#include <utility>

namespace stand_in {

/// A recursive lock that a forked child may go on with: std::recursive_mutex knows its owner by a number that changes.
class ForkableLock {
 public:
  void lock();
  void unlock();

 private:
  std::mutex mutex_;
  std::atomic<std::thread::id> owner_{};  // nobody but its owner can find itself there
  int depth_ = 0;
};

class Branches {
 public:
  /// report: gets a line {"at": 17, "ended": 1} for each, 128 + signal where one ended it; report.17 is what it said.
  Branches(bool is_wanted, std::string report) : is_wanted_(is_wanted), report_(std::move(report)) {}

  /// True in the child. Returns at once to the parent, unless two are still running.
  bool leave(long call);
  void wait();

 private:
  struct Branch {
    pid_t process;
    long call;
  };
  void wait_for_first();

  bool is_wanted_;
  std::string report_;
  std::deque<Branch> running_;
};

void append_line(const std::string& path, const std::string& line);

}  // namespace stand_in
