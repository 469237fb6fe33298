#include "yaml_tree.h"

#include <utility>

namespace edgecore::yaml {
namespace {

// A description has some dozens of nodes, three deep; beyond these it is no description, and walking it
// (recursively here, by the level, and over siblings for repeated keys) is not worth its time.
constexpr std::size_t kMaxNodes = 10000;
constexpr int kMaxDepth = 16;

// rapidyaml's error callbacks must not return, so they throw, and parse_tree() catches: no exception
// leaves this file.
struct ParserStopped {
  std::string problem;
  std::size_t line;  // from 0; npos where rapidyaml does not know
};

[[noreturn]] void stop(ryml::csubstr message, std::size_t line) {
  const std::string text = text_of(message);
  throw ParserStopped{text.substr(0, text.find('\n')), line};
}

ryml::Callbacks throwing_callbacks() {
  ryml::Callbacks callbacks;
  callbacks.set_error_basic(
      [](ryml::csubstr message, const ryml::ErrorDataBasic&, void*) { stop(message, ryml::npos); });
  callbacks.set_error_parse([](ryml::csubstr message, const ryml::ErrorDataParse& data, void*) {
    stop(message, data.ymlloc.line);
  });
  callbacks.set_error_visit(
      [](ryml::csubstr message, const ryml::ErrorDataVisit&, void*) { stop(message, ryml::npos); });
  return callbacks;
}

bool is_too_deep(const ryml::Tree& tree, std::size_t node) {
  int depth = 0;
  while (depth <= kMaxDepth && !tree.is_root(node)) {
    node = tree.parent(node);
    ++depth;
  }
  return depth > kMaxDepth;
}

Status check_size(const DocumentState& state) {
  const ryml::Tree& tree = state.tree;
  const auto refuse = [&](const char* problem) {
    return Error{Code::kInvalidArgument, place(state, kAbsent, {}) + problem, "is it the right file?"};
  };
  if (tree.size() > kMaxNodes) return refuse("more than 10000 values");
  for (ryml::id_type node = 0; node < tree.size(); ++node) {
    if (is_too_deep(tree, node)) return refuse("nested deeper than 16 levels");
  }
  return {};
}

Status parse_into(DocumentState& state) {
  const ryml::Callbacks callbacks = throwing_callbacks();
  state.tree = ryml::Tree(callbacks);
  ryml::EventHandlerTree handler(callbacks);
  ryml::Parser parser(&handler, ryml::ParserOptions().locations(true));
  ryml::parse_in_place(&parser, ryml::substr(state.text.data(), state.text.size()), &state.tree);
  if (Status status = check_size(state); !status) return status;
  for (ryml::id_type node = 0; node < state.tree.size(); ++node) {
    state.lines.push_back(state.tree.location(parser, node).line + 1);
  }
  return {};
}

bool is_repeated_key(const ryml::Tree& tree, std::size_t node) {
  return tree.has_key(node) && tree.find_child(tree.parent(node), tree.key(node)) != node;
}

Status check_tree(const DocumentState& state) {
  const ryml::Tree& tree = state.tree;
  const auto refuse = [&](std::size_t node, const char* problem) {
    return Error{Code::kInvalidArgument, place(state, node, path_of(tree, node)) + problem, {}};
  };
  if (tree.is_stream(tree.root_id())) return refuse(kAbsent, "several documents in one file");
  if (!tree.is_map(tree.root_id())) return refuse(kAbsent, "expected 'key: value' lines");
  for (ryml::id_type node = 0; node < tree.size(); ++node) {
    const ryml::NodeType type = tree.type(node);
    if (type.has_anchor() || type.is_ref()) return refuse(node, "anchors and aliases are not supported");
    if (type.has_key_tag() || type.has_val_tag()) return refuse(node, "tags are not supported");
    if (is_repeated_key(tree, node)) return refuse(node, "key given twice");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<DocumentState>> parse_tree(std::string text, const std::string& name) {
  auto state = std::make_unique<DocumentState>();
  state->name = name;
  state->text = std::move(text);
  try {
    if (Status status = parse_into(*state); !status) return status.error();
    if (Status status = check_tree(*state); !status) return status.error();
  } catch (const ParserStopped& stopped) {
    const std::string line = stopped.line == ryml::npos ? "" : ":" + std::to_string(stopped.line + 1);
    return Error{Code::kInvalidArgument, name + line + ": not valid YAML: " + stopped.problem, {}};
  }
  return state;
}

std::string place(const DocumentState& state, std::size_t node, const std::string& path) {
  std::string text = state.name;
  if (node != kAbsent) text += ":" + std::to_string(state.lines[node]);
  if (!path.empty()) text += ": " + path;
  return text + ": ";
}

std::string path_of(const ryml::Tree& tree, std::size_t node) {
  if (node == kAbsent || tree.is_root(node)) return {};
  const std::size_t parent = tree.parent(node);
  if (tree.has_key(node)) return join_path(path_of(tree, parent), text_of(tree.key(node)));
  return path_of(tree, parent) + "[" + std::to_string(tree.child_pos(parent, node)) + "]";
}

std::string join_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

}  // namespace edgecore::yaml
