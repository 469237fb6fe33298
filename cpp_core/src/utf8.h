// UTF-8 as The Unicode Standard's table 3-7 allows it: no overlong forms, no surrogates.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace edgecore {

/// Bytes of the sequence at the start of `text`, which is not empty; 0 if there is none.
std::size_t utf8_sequence(std::string_view text) noexcept;

/// `text` with every byte that belongs to no sequence replaced by U+FFFD. For texts of other people's
/// libraries, which quote a broken model's bytes as they are.
std::string to_utf8(std::string_view text);

}  // namespace edgecore
