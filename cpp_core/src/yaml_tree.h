// A YAML text as rapidyaml's tree, with the line of every node and a place to note problems. Private to
// yaml*.cc: nothing else sees a type of rapidyaml.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <ryml.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "edgecore/status.h"

namespace edgecore::yaml {

inline constexpr std::size_t kAbsent = ryml::NONE;

struct DocumentState {
  std::string name;
  std::string text;  // the tree points into it
  ryml::Tree tree;
  std::vector<std::size_t> lines;                         // by node, from 1
  std::map<std::size_t, std::vector<std::string>> asked;  // by section: the keys somebody read
  std::optional<Error> problem;                           // the first one
};

/// Parses and refuses what YAML allows and a person misreads. The text has passed check_text().
Result<std::unique_ptr<DocumentState>> parse_tree(std::string text, const std::string& name);

/// "face.yaml:7: head.kind: "; without the line for kAbsent, without the path for the root.
std::string place(const DocumentState& state, std::size_t node, const std::string& path);

/// "head.kind", "labels[2]"; empty for the root.
std::string path_of(const ryml::Tree& tree, std::size_t node);
std::string join_path(const std::string& path, std::string_view key);

inline std::string text_of(ryml::csubstr piece) { return {piece.str, piece.len}; }

}  // namespace edgecore::yaml
