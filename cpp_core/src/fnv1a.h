// 64-bit FNV-1a: equal digests mean equal bytes, for comparing machines, not for security.
// Source: RFC 9923, section 5 (offset basis and prime).
#pragma once

#include <cstdint>

namespace edgecore {

inline constexpr std::uint64_t kFnvBasis = 0xcbf29ce484222325;
inline constexpr std::uint64_t kFnvPrime = 0x00000100000001b3;

constexpr std::uint64_t fnv1a(std::uint64_t hash, std::uint8_t byte) noexcept { return (hash ^ byte) * kFnvPrime; }

}  // namespace edgecore
