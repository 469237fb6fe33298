// Promises about damaged models: the module's own look at a file never ends the process, and says what is wrong.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "contract.h"

namespace edgecore::contract {
namespace {

constexpr std::uint32_t kDamagedFiles = 300;
// Headers, and the tables that they lead to, are within it in every format that we know.
constexpr std::size_t kHeadBytes = 512;

/// The same numbers on every machine. Numerical Recipes' constants.
class Numbers {
 public:
  explicit Numbers(std::uint32_t seed) noexcept : state_(seed) {}
  std::size_t below(std::size_t limit) noexcept {
    state_ = state_ * 1664525U + 1013904223U;
    return limit == 0 ? 0 : (state_ >> 8U) % limit;
  }

 private:
  std::uint32_t state_;
};

struct Damaged {
  std::string bytes;
  std::string what;
  bool breaks_off = false;
};

std::string at(const char* what, std::size_t place) { return std::string(what) + " at byte " + std::to_string(place); }

void overwrite(std::string& bytes, std::size_t place, const void* value, std::size_t size) {
  std::memcpy(bytes.data() + place, value, std::min(size, bytes.size() - place));
}

/// One of the ways in which files are found broken, or are broken by those who look for a way in.
Damaged damage(const std::string& whole, std::uint32_t seed) {
  constexpr std::array<std::uint64_t, 6> kSizes = {0,          0x7fffffff,               0x80000000,
                                                   0xffffffff, std::uint64_t{1} << 63U, ~std::uint64_t{0}};
  Numbers numbers(seed);
  const std::size_t head = std::min(whole.size(), kHeadBytes);
  Damaged damaged{whole, "", false};
  std::string& bytes = damaged.bytes;
  switch (seed % 6) {
    case 0: {
      const std::size_t length = numbers.below(whole.size());
      bytes.resize(length);
      return {bytes, at("breaks off", length), true};
    }
    case 1: {
      const std::size_t place = numbers.below(head);
      bytes[place] = static_cast<char>(bytes[place] ^ (1 << numbers.below(8)));
      damaged.what = at("a bit flipped", place);
      return damaged;
    }
    case 2: {
      const std::size_t place = numbers.below(head / 4) * 4;
      const auto value = static_cast<std::uint32_t>(kSizes[numbers.below(4)]);
      overwrite(bytes, place, &value, sizeof value);
      damaged.what = at("32 bits of a size", place);
      return damaged;
    }
    case 3: {
      const std::size_t place = numbers.below(head / 8) * 8;
      const std::uint64_t value = kSizes[numbers.below(kSizes.size())];
      overwrite(bytes, place, &value, sizeof value);
      damaged.what = at("64 bits of a size", place);
      return damaged;
    }
    case 4: {
      const std::size_t place = numbers.below(whole.size());
      const std::size_t length = std::min<std::size_t>(1 + numbers.below(64), whole.size() - place);
      for (std::size_t i = 0; i < length; ++i) bytes[place + i] = static_cast<char>(numbers.below(256));
      damaged.what = at("noise", place);
      return damaged;
    }
    default: {
      const std::size_t from = numbers.below(whole.size());
      const std::size_t to = numbers.below(whole.size());
      bytes = whole.substr(0, to) + whole.substr(from);
      damaged.what = at("cut and joined", std::min(from, to));
      return damaged;
    }
  }
}

abi::Backend& backend_of(const std::string& name) {
  abi::Error error;
  abi::Backend* backend = entry_point(name)(abi::kVersion, &error);
  REQUIRE_MESSAGE(backend != nullptr, error.text);
  return *backend;
}

/// Only where the vendor's library survives every file may a module leave the look to it.
bool looks_at_models(abi::Backend& backend) {
  const ModelFile empty("");
  if (backend.check_model(empty.path().c_str(), nullptr) != Code::kOk) return true;
  CHECK(backend.survives_bad_models() != 0);
  return false;
}

TEST_CASE("a sound model passes the module's own look at it") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    abi::Error error;
    const Code code = backend_of(name).check_model(affine_model(name).c_str(), &error);
    CHECK_MESSAGE(code == Code::kOk, error.text);
    CHECK(backend_of(name).check_model(affine_model(name).c_str(), nullptr) == Code::kOk);
  }
}

TEST_CASE("300 damaged models: a module's own look at them ends in an answer, which says why when it refuses") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    abi::Backend& backend = backend_of(name);
    const std::string whole = read_file(affine_model(name));
    std::uint32_t refused = 0;
    for (std::uint32_t seed = 0; seed < kDamagedFiles; ++seed) {
      const Damaged damaged = damage(whole, seed);
      CAPTURE(damaged.what);
      const ModelFile file(damaged.bytes);
      abi::Error error;
      const Code code = backend.check_model(file.path().c_str(), &error);
      const bool is_typed = code == Code::kCorrupt || code == Code::kUnsupported;
      CHECK((code == Code::kOk || is_typed));
      if (code == Code::kOk) continue;
      ++refused;
      CHECK(error.code == code);
      CHECK(error.text[0] != '\0');
      CHECK(backend.check_model(file.path().c_str(), nullptr) == code);
    }
    MESSAGE(name, ": ", refused, " of ", kDamagedFiles, " refused");
    if (looks_at_models(backend)) CHECK(refused >= kDamagedFiles / 3);  // what a header and its lengths give away
  }
}

TEST_CASE("a module that looks at models refuses every one that breaks off") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    abi::Backend& backend = backend_of(name);
    if (!looks_at_models(backend)) continue;
    const std::string whole = read_file(affine_model(name));
    for (std::uint32_t seed = 0; seed < kDamagedFiles; seed += 6) {
      const Damaged damaged = damage(whole, seed);
      REQUIRE(damaged.breaks_off);
      CAPTURE(damaged.what);
      const ModelFile file(damaged.bytes);
      CHECK(backend.check_model(file.path().c_str(), nullptr) == Code::kCorrupt);
    }
  }
}

TEST_CASE("a module's own look at garbage and at what is not there is an error") {
  for (const std::string& name : engine_backends()) {
    CAPTURE(name);
    abi::Backend& backend = backend_of(name);
    if (!looks_at_models(backend)) continue;
    for (const std::string& bytes : garbage()) {
      CAPTURE(bytes.size());
      const ModelFile file(bytes);
      CHECK(backend.check_model(file.path().c_str(), nullptr) == Code::kCorrupt);
    }
    CHECK(backend.check_model("/nonexistent/model", nullptr) == Code::kNotFound);
  }
}

}  // namespace
}  // namespace edgecore::contract
