// "did you mean ...?" for names a person typed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace edgecore {

/// A hint for `word`, which is none of `known`: "did you mean 'letterbox'?" when one is close enough to be
/// a slip of the keyboard, else "known: letterbox, stretch"; empty when nothing is known.
std::string suggest(std::string_view word, const std::vector<std::string>& known);

}  // namespace edgecore
