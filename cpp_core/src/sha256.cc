#include "sha256.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace edgecore {
namespace {

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
constexpr std::array<std::uint32_t, 64> kRounds{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr std::uint32_t rotate(std::uint32_t word, unsigned bits) noexcept {
  return word >> bits | word << (32U - bits);
}

std::uint32_t read_word(const std::uint8_t* bytes) noexcept {
  return static_cast<std::uint32_t>(bytes[0]) << 24U | static_cast<std::uint32_t>(bytes[1]) << 16U |
         static_cast<std::uint32_t>(bytes[2]) << 8U | static_cast<std::uint32_t>(bytes[3]);
}

}  // namespace

void Sha256::add_block(const std::uint8_t* block) noexcept {
  std::array<std::uint32_t, 64> w;
  for (std::size_t t = 0; t < 16; ++t) w[t] = read_word(block + 4 * t);
  for (std::size_t t = 16; t < 64; ++t) {
    const std::uint32_t sigma0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3U;
    const std::uint32_t sigma1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10U;
    w[t] = sigma1 + w[t - 7] + sigma0 + w[t - 16];
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (std::size_t t = 0; t < 64; ++t) {
    const std::uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const std::uint32_t first = h + sum1 + ((e & f) ^ (~e & g)) + kRounds[t] + w[t];
    const std::uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  const std::array<std::uint32_t, 8> sums{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < state_.size(); ++i) state_[i] += sums[i];
}

void Sha256::update(const void* data, std::size_t size_bytes) noexcept {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  size_bytes_ += size_bytes;
  while (size_bytes > 0) {
    if (rest_bytes_ == 0 && size_bytes >= kBlockBytes) {
      add_block(bytes);
      bytes += kBlockBytes;
      size_bytes -= kBlockBytes;
      continue;
    }
    const std::size_t taken = std::min(size_bytes, kBlockBytes - rest_bytes_);
    std::memcpy(rest_.data() + rest_bytes_, bytes, taken);
    rest_bytes_ += taken;
    bytes += taken;
    size_bytes -= taken;
    if (rest_bytes_ < kBlockBytes) break;
    add_block(rest_.data());
    rest_bytes_ = 0;
  }
}

std::string Sha256::finish() {
  const std::uint64_t size_bits = size_bytes_ * 8;
  constexpr std::uint8_t kEnd = 0x80;
  constexpr std::uint8_t kZero = 0;
  update(&kEnd, 1);
  while (rest_bytes_ != kBlockBytes - sizeof size_bits) update(&kZero, 1);
  std::array<std::uint8_t, sizeof size_bits> big_endian{};
  for (std::size_t i = 0; i < big_endian.size(); ++i) {
    big_endian[i] = static_cast<std::uint8_t>(size_bits >> (56U - 8U * i));
  }
  update(big_endian.data(), big_endian.size());

  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const std::uint32_t word : state_) {
    for (unsigned shift = 32; shift > 0;) hex += kDigits[word >> (shift -= 4U) & 0xFU];
  }
  return hex;
}

Result<std::string> sha256_of(const std::filesystem::path& file) {
  // stdio, because a stream of libc++ takes a failed read for the end of the file.
  constexpr std::size_t kChunkBytes = std::size_t{1} << 20U;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(file.c_str(), "rb"), std::fclose);
  std::vector<char> chunk(kChunkBytes);
  Sha256 sha;
  for (std::size_t count = 1; stream != nullptr && count > 0;) {
    count = std::fread(chunk.data(), 1, chunk.size(), stream.get());
    sha.update(chunk.data(), count);
  }
  if (stream == nullptr || std::ferror(stream.get()) != 0) {
    return Error{Code::kNotFound, file.string() + ": cannot be read: " + std::strerror(errno), {}};
  }
  return sha.finish();
}

}  // namespace edgecore
