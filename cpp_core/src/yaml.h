// Strict reading of small YAML files (model descriptions, pipelines) straight into records.
//
//   auto document = yaml::Document::load("face.yaml");   // Result: unreadable, not YAML, tabs, doubles
//   yaml::Map head = document->root().map("head");
//   head.require("kind", description.kind);               // missing or of another type: noted
//   head.read("stride", description.stride, 1, 64);       // absent: the default stays
//   if (Status status = document->finish(); !status) return status.error();
//
// A read never stops the reader: the document notes the first problem and finish() reports it, as
// "face.yaml:7: head.stride: expected a whole number, found 'abc'". A key that nobody read is unknown.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edgecore/status.h"

namespace edgecore::yaml {

class Map;
struct DocumentState;

/// Keys and values of a free-form section, in file order.
using Pairs = std::vector<std::pair<std::string, std::string>>;

/// One parsed file. Move-only; its maps are valid as long as it lives.
class Document {
 public:
  /// kNotFound, or kInvalidArgument for a file that is no YAML mapping or uses what a person easily
  /// misreads: tabs in the indentation, a key given twice, anchors, tags, several documents.
  static Result<Document> load(const std::filesystem::path& path);
  /// name: what messages call the text.
  static Result<Document> parse(std::string text, const std::string& name);

  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  Map root();

  /// Call once, after the last read: the first unknown key (with did-you-mean), else the first problem.
  Status finish() const;

 private:
  explicit Document(std::unique_ptr<DocumentState> state) noexcept;
  std::unique_ptr<DocumentState> state_;
};

/// A mapping inside a document. Cheap to copy. A section that is absent reads as an empty one.
class Map {
 public:
  /// Is the key there? It then counts as read.
  bool has(std::string_view key);

  /// All keys, in file order; of a section whose keys are names that the user gives. map() or a read still has to follow.
  std::vector<std::string> keys() const;

  /// The section under `key`.
  Map map(std::string_view key);

  /// Leaves `field` as it is when the key is absent or ill-formed.
  void read(std::string_view key, std::string& field);
  void read(std::string_view key, bool& field);
  void read(std::string_view key, std::vector<std::string>& field);
  void read(std::string_view key, std::vector<std::int64_t>& field);
  void read(std::string_view key, Pairs& field);
  /// One number for all three channels, or a list of three.
  void read(std::string_view key, std::array<float, 3>& field);

  /// Numbers within [low, high].
  void read(std::string_view key, std::int64_t& field, std::int64_t low, std::int64_t high);
  void read(std::string_view key, std::int32_t& field, std::int32_t low, std::int32_t high);
  void read(std::string_view key, std::uint8_t& field, std::uint8_t low, std::uint8_t high);
  void read(std::string_view key, float& field, float low, float high);

  /// As read(), but an absent key is a problem.
  template <typename T, typename... Bounds>
  void require(std::string_view key, T& field, Bounds... bounds) {
    if (must_have(key)) read(key, field, bounds...);
  }

  /// One word out of a few: choose("fit", input.fit, {{"letterbox", Fit::kLetterbox}, {"stretch", Fit::kStretch}}).
  template <typename E>
  void choose(std::string_view key, E& field, std::initializer_list<std::pair<const char*, E>> choices) {
    std::vector<std::string> words;
    for (const auto& choice : choices) words.emplace_back(choice.first);
    if (const std::size_t picked = pick(key, words); picked < words.size()) field = choices.begin()[picked].second;
  }

  /// Notes a problem that only the caller can see, at the place of the value under `key`.
  void refuse(std::string_view key, std::string problem, std::string hint = {});

 private:
  friend class Document;
  Map(DocumentState* document, std::size_t node, std::string path);
  std::size_t find(std::string_view key);
  bool must_have(std::string_view key);
  std::size_t pick(std::string_view key, const std::vector<std::string>& words);

  DocumentState* document_;
  std::size_t node_;
  std::string path_;  // "head"; empty for the root
};

}  // namespace edgecore::yaml
