#include "yaml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "suggest.h"
#include "yaml_text.h"
#include "yaml_tree.h"

namespace edgecore::yaml {
namespace {

constexpr std::uintmax_t kMaxBytes = 1U << 20U;  // descriptions are a few kB; a megabyte is a mistaken path
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// How a message calls what it found.
std::string found(const ryml::Tree& tree, std::size_t node) {
  if (tree.is_map(node)) return "a section";
  if (tree.is_seq(node)) return "a list";
  if (tree.val_is_null(node)) return "nothing";
  return "'" + text_of(tree.val(node)) + "'";
}

std::string shown(std::int64_t number) { return std::to_string(number); }

std::string shown(float number) {
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
    const ryml::csubstr digits = is_scalar(node) ? tree_.val(node) : ryml::csubstr{};
    // from_chars_first, because from_chars takes "0.5x" for a number.
    if (digits.empty() || c4::from_chars_first(digits, &number) != digits.len || !std::isfinite(number)) {
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

/// Reads a number and checks its bounds; false leaves the field to its default.
template <typename Wide, typename T>
void read_within(DocumentState& state, std::size_t node, T& field, T low, T high) {
  Wide number{};
  Reader reader(state);
  if (node == kAbsent || !reader.read(node, number)) return;
  if (number < static_cast<Wide>(low) || number > static_cast<Wide>(high)) {
    reader.refuse(node, "expected " + shown(static_cast<Wide>(low)) + " to " + shown(static_cast<Wide>(high)) + ", found " + shown(number));
    return;
  }
  field = static_cast<T>(number);
}

template <typename T>
void read_if_there(DocumentState& state, std::size_t node, T& field) {
  if (node != kAbsent) Reader(state).read(node, field);
}

}  // namespace

// --- Document ----------------------------------------------------------------------------------------

Document::Document(std::unique_ptr<DocumentState> state) noexcept : state_(std::move(state)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Result<Document> Document::load(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return Error{Code::kNotFound, path.string() + ": no such file", {}};
  if (std::filesystem::file_size(path, error) > kMaxBytes) {
    return Error{Code::kInvalidArgument, path.string() + ": larger than 1 MiB", "is it a YAML file at all?"};
  }
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) return Error{Code::kNotFound, path.string() + ": cannot be read", {}};
  return parse(std::move(text), path.string());
}

Result<Document> Document::parse(std::string text, const std::string& name) {
  if (text.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0) text.erase(0, kByteOrderMark.size());
  if (Status status = check_text(text, name); !status) return status.error();
  if (text.find_first_not_of(" \r\n") == std::string::npos) return Error{Code::kInvalidArgument, name + ": is empty", {}};
  auto state = parse_tree(std::move(text), name);
  if (!state) return state.error();
  return Document(std::move(*state));
}

Map Document::root() { return {state_.get(), state_->tree.root_id(), {}}; }

Status Document::finish() const {
  const ryml::Tree& tree = state_->tree;
  for (const auto& [section, known] : state_->asked) {
    for (std::size_t child = tree.first_child(section); child != kAbsent; child = tree.next_sibling(child)) {
      const std::string key = text_of(tree.key(child));
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      return Error{Code::kInvalidArgument, place(*state_, child, path_of(tree, child)) + "unknown key", suggest(key, known)};
    }
  }
  return state_->problem ? Status(*state_->problem) : Status();
}

// --- Map ---------------------------------------------------------------------------------------------

Map::Map(DocumentState* document, std::size_t node, std::string path)
    : document_(document), node_(node), path_(std::move(path)) {}

std::size_t Map::find(std::string_view key) {
  if (node_ == kAbsent) return kAbsent;
  std::vector<std::string>& asked = document_->asked[node_];
  if (std::find(asked.begin(), asked.end(), key) == asked.end()) asked.emplace_back(key);
  return document_->tree.find_child(node_, ryml::csubstr(key.data(), key.size()));
}

bool Map::has(std::string_view key) { return find(key) != kAbsent; }

std::vector<std::string> Map::keys() const {
  std::vector<std::string> keys;
  if (node_ == kAbsent) return keys;
  const ryml::Tree& tree = document_->tree;
  for (std::size_t child = tree.first_child(node_); child != kAbsent; child = tree.next_sibling(child)) {
    keys.push_back(text_of(tree.key(child)));
  }
  return keys;
}

Map Map::map(std::string_view key) {
  std::size_t node = find(key);
  if (node != kAbsent && !document_->tree.is_map(node)) {
    Reader(*document_).refuse(node, "expected 'key: value' lines, found " + found(document_->tree, node));
    node = kAbsent;
  }
  return {document_, node, join_path(path_, key)};
}

void Map::read(std::string_view key, std::string& field) { read_if_there(*document_, find(key), field); }
void Map::read(std::string_view key, bool& field) { read_if_there(*document_, find(key), field); }
void Map::read(std::string_view key, std::vector<std::string>& field) { read_if_there(*document_, find(key), field); }
void Map::read(std::string_view key, std::vector<std::int64_t>& field) { read_if_there(*document_, find(key), field); }
void Map::read(std::string_view key, Pairs& field) { read_if_there(*document_, find(key), field); }

void Map::read(std::string_view key, std::array<float, 3>& field) {
  const std::size_t node = find(key);
  if (node == kAbsent) return;
  Reader reader(*document_);
  if (document_->tree.is_seq(node)) {
    std::vector<float> list;
    if (!reader.read(node, list)) return;
    if (list.size() != field.size()) {
      reader.refuse(node, "expected one number or three, found " + std::to_string(list.size()));
      return;
    }
    std::copy(list.begin(), list.end(), field.begin());
  } else if (float number = 0; reader.read(node, number)) {
    field.fill(number);
  }
}

void Map::read(std::string_view key, std::int64_t& field, std::int64_t low, std::int64_t high) {
  read_within<std::int64_t>(*document_, find(key), field, low, high);
}
void Map::read(std::string_view key, std::int32_t& field, std::int32_t low, std::int32_t high) {
  read_within<std::int64_t>(*document_, find(key), field, low, high);
}
void Map::read(std::string_view key, std::uint8_t& field, std::uint8_t low, std::uint8_t high) {
  read_within<std::int64_t>(*document_, find(key), field, low, high);
}
void Map::read(std::string_view key, float& field, float low, float high) {
  read_within<float>(*document_, find(key), field, low, high);
}

void Map::refuse(std::string_view key, std::string problem, std::string hint) {
  if (document_->problem) return;
  const std::size_t node = find(key);
  document_->problem = Error{Code::kInvalidArgument,
                             place(*document_, node == kAbsent ? node_ : node, join_path(path_, key)) + problem,
                             std::move(hint)};
}

bool Map::must_have(std::string_view key) {
  if (find(key) != kAbsent) return true;
  refuse(key, "missing");
  return false;
}

std::size_t Map::pick(std::string_view key, const std::vector<std::string>& words) {
  const std::size_t node = find(key);
  std::string word;
  if (node == kAbsent || !Reader(*document_).read(node, word)) return words.size();
  const auto picked = std::find(words.begin(), words.end(), word);
  if (picked == words.end()) refuse(key, "no choice named '" + word + "'", suggest(word, words));
  return static_cast<std::size_t>(picked - words.begin());
}

}  // namespace edgecore::yaml
