#include "yaml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <ryml.hpp>

#include "suggest.h"
#include "yaml_text.h"

namespace edgecore::yaml {

struct DocumentState {
  std::string name;
  std::string text;  // the tree points into it
  ryml::Tree tree;
  std::vector<std::size_t> lines;                         // by node, from 1
  std::map<std::size_t, std::vector<std::string>> asked;  // by map node: the keys somebody read
  std::optional<Error> problem;                           // the first one
};

namespace {

constexpr std::size_t kAbsent = ryml::NONE;
constexpr std::uintmax_t kMaxBytes = 1U << 20U;  // descriptions are a few kB; a megabyte is a mistaken path
constexpr char kByteOrderMark[] = "\xEF\xBB\xBF";

std::string text_of(ryml::csubstr piece) { return {piece.str, piece.len}; }
ryml::csubstr piece_of(std::string_view text) { return {text.data(), text.size()}; }

// --- Parsing. rapidyaml's error callbacks must not return, so they throw; parse() catches. -------------

struct ParserStopped {
  std::string problem;
  std::size_t line;  // from 0
};

[[noreturn]] void stop(ryml::csubstr message, std::size_t line) {
  const std::string text = text_of(message);
  throw ParserStopped{text.substr(0, text.find('\n')), line};
}

ryml::Callbacks throwing_callbacks() {
  ryml::Callbacks callbacks;
  callbacks.set_error_basic([](ryml::csubstr message, const ryml::ErrorDataBasic&, void*) { stop(message, ryml::npos); });
  callbacks.set_error_parse([](ryml::csubstr message, const ryml::ErrorDataParse& place, void*) { stop(message, place.ymlloc.line); });
  callbacks.set_error_visit([](ryml::csubstr message, const ryml::ErrorDataVisit&, void*) { stop(message, ryml::npos); });
  return callbacks;
}

void parse_into(DocumentState& state) {
  const ryml::Callbacks callbacks = throwing_callbacks();
  state.tree = ryml::Tree(callbacks);
  ryml::EventHandlerTree handler(callbacks);
  ryml::Parser parser(&handler, ryml::ParserOptions().locations(true));
  ryml::parse_in_place(&parser, ryml::substr(state.text.data(), state.text.size()), &state.tree);
  for (ryml::id_type node = 0; node < state.tree.size(); ++node) {
    state.lines.push_back(state.tree.location(parser, node).line + 1);
  }
}

std::string place(const DocumentState& state, std::size_t node, const std::string& path) {
  std::string text = state.name;
  if (node != kAbsent) text += ":" + std::to_string(state.lines[node]);
  if (!path.empty()) text += ": " + path;
  return text + ": ";
}

std::string join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

std::string path_of(const ryml::Tree& tree, std::size_t node) {
  const std::size_t parent = tree.parent(node);
  if (parent == kAbsent) return {};
  if (tree.has_key(node)) return join(path_of(tree, parent), text_of(tree.key(node)));
  return path_of(tree, parent) + "[" + std::to_string(tree.child_pos(parent, node)) + "]";
}

bool is_repeated_key(const ryml::Tree& tree, std::size_t node) {
  return tree.has_key(node) && tree.find_child(tree.parent(node), tree.key(node)) != node;
}

/// What YAML allows and a person misreads.
Status check_tree(const DocumentState& state) {
  const ryml::Tree& tree = state.tree;
  const auto refuse = [&](std::size_t node, const char* problem) {
    return Error{Code::kInvalidArgument, place(state, node, path_of(tree, node)) + problem, {}};
  };
  if (tree.is_stream(tree.root_id())) return refuse(tree.root_id(), "several documents in one file");
  if (!tree.is_map(tree.root_id())) return refuse(tree.root_id(), "expected 'key: value' lines");
  for (ryml::id_type node = 0; node < tree.size(); ++node) {
    const ryml::NodeType type = tree.type(node);
    if (type.has_anchor() || type.is_ref()) return refuse(node, "anchors and aliases are not supported");
    if (type.has_key_tag() || type.has_val_tag()) return refuse(node, "tags are not supported");
    if (is_repeated_key(tree, node)) return refuse(node, "key given twice");
  }
  return {};
}

// --- Values ------------------------------------------------------------------------------------------

/// How a message calls what it found.
std::string found(const ryml::Tree& tree, std::size_t node) {
  if (tree.is_map(node)) return "a section";
  if (tree.is_seq(node)) return "a list";
  if (tree.val_is_null(node)) return "nothing";
  return "'" + text_of(tree.val(node)) + "'";
}

template <typename T>
std::string shown(T number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", static_cast<double>(number));
  return text;
}

/// Converts scalars and lists of them; a failure becomes the document's problem.
class Reader {
 public:
  explicit Reader(DocumentState& state) : state_(state), tree_(state.tree) {}

  bool read(std::size_t node, std::string& field) {
    if (!is_scalar(node)) return refuse(node, "expected text, found " + found(tree_, node));
    field = text_of(tree_.val(node));
    return true;
  }

  bool read(std::size_t node, bool& field) {
    if (!is_plain(node, "true") && !is_plain(node, "false")) {
      return refuse(node, "expected true or false, found " + found(tree_, node));
    }
    field = is_plain(node, "true");
    return true;
  }

  bool read(std::size_t node, std::int64_t& field) {
    const ryml::csubstr digits = is_scalar(node) ? tree_.val(node) : ryml::csubstr{};
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), field);
    if (error == std::errc() && end == digits.end()) return true;
    return refuse(node, "expected a whole number, found " + found(tree_, node));
  }

  bool read(std::size_t node, float& field) {
    double number = 0;
    if (!is_scalar(node) || !c4::from_chars(tree_.val(node), &number) || !std::isfinite(number)) {
      return refuse(node, "expected a number, found " + found(tree_, node));
    }
    field = static_cast<float>(number);
    return true;
  }

  template <typename T>
  bool read(std::size_t node, std::vector<T>& field) {
    if (!tree_.is_seq(node)) return refuse(node, "expected a list, found " + found(tree_, node));
    std::vector<T> items;
    for (std::size_t child = tree_.first_child(node); child != kAbsent; child = tree_.next_sibling(child)) {
      if (!read(child, items.emplace_back())) return false;
    }
    field = std::move(items);
    return true;
  }

  bool read(std::size_t node, Pairs& field) {
    if (!tree_.is_map(node)) return refuse(node, "expected 'key: value' lines, found " + found(tree_, node));
    Pairs pairs;
    for (std::size_t child = tree_.first_child(node); child != kAbsent; child = tree_.next_sibling(child)) {
      auto& [key, value] = pairs.emplace_back(text_of(tree_.key(child)), "");
      if (!read(child, value)) return false;
    }
    field = std::move(pairs);
    return true;
  }

  bool refuse(std::size_t node, std::string problem) {
    if (!state_.problem) {
      state_.problem = Error{Code::kInvalidArgument, place(state_, node, path_of(tree_, node)) + problem, {}};
    }
    return false;
  }

 private:
  bool is_scalar(std::size_t node) const { return tree_.has_val(node) && !tree_.val_is_null(node); }
  bool is_plain(std::size_t node, const char* word) const {
    return is_scalar(node) && !tree_.is_val_quoted(node) && tree_.val(node) == ryml::to_csubstr(word);
  }

  DocumentState& state_;
  const ryml::Tree& tree_;
};

}  // namespace
