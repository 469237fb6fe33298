#include "suggest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace edgecore {
namespace {

/// Levenshtein distance: single-letter insertions, deletions and replacements.
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string join(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) {
    if (!joined.empty()) joined += ", ";
    joined += word;
  }
  return joined;
}

}  // namespace

std::string suggest(std::string_view word, const std::vector<std::string>& known) {
  if (known.empty()) return {};
  const auto closer = [&](const std::string& a, const std::string& b) {
    return edit_distance(word, a) < edit_distance(word, b);
  };
  const std::string& nearest = *std::min_element(known.begin(), known.end(), closer);
  // A third of the letters: 'hieght' is 'height', 'tall' is not.
  const std::size_t slips = std::max<std::size_t>(1, nearest.size() / 3);
  if (edit_distance(word, nearest) <= slips) return "did you mean '" + nearest + "'?";
  return "known: " + join(known);
}

}  // namespace edgecore
