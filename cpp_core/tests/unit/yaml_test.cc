#include "yaml.h"

#include <doctest/doctest.h>

#include <random>

#include "scratch.h"
#include "suggest.h"
#include "utf8.h"

namespace edgecore::yaml {
namespace {

enum class Fit { kLetterbox, kStretch };

struct Record {
  std::string name = "unset";
  bool flag = false;
  std::int64_t count = -1;
  std::int32_t width = 7;
  std::uint8_t pad = 0;
  float threshold = 0.25F;
  std::array<float, 3> mean{};
  std::vector<std::string> labels;
  std::vector<std::int64_t> frames;
  Pairs options;
  Fit fit = Fit::kLetterbox;
  std::string inner;
};

Status read(const std::string& text, Record& record) {
  Result<Document> document = Document::parse(text, "a.yaml");
  if (!document) return document.error();
  Map root = document->root();
  root.require("name", record.name);
  root.read("flag", record.flag);
  root.read("count", record.count, 0, 1000);
  root.read("width", record.width, 1, 4096);
  root.read("pad", record.pad, std::uint8_t{0}, std::uint8_t{255});
  root.read("threshold", record.threshold, 0.0F, 1.0F);
  root.read("mean", record.mean);
  root.read("labels", record.labels);
  root.read("frames", record.frames);
  root.read("options", record.options);
  root.choose<Fit>("fit", record.fit, {{"letterbox", Fit::kLetterbox}, {"stretch", Fit::kStretch}});
  root.map("section").read("inner", record.inner);
  return document->finish();
}

std::string message(const std::string& text) {
  Record record;
  const Status status = read(text, record);
  return status ? "ok" : to_string(status.error());
}

TEST_CASE("fields are read into the record") {
  Record record;
  const Status status = read(
      "# a comment\n"
      "name: \"537\"   # a number in quotes is text\n"
      "flag: true\n"
      "count: 12\n"
      "width: 640\n"
      "pad: 114\n"
      "threshold: 5e-1\n"
      "mean: [103.5, 116, -1]\n"
      "labels: [person, 'traffic light', \"t\\u00e9l\\u00e9\"]\n"
      "frames:\n  - 0\n  - 30\n"
      "options: {threads: 4, mode: fast}\n"
      "fit: stretch\n"
      "section:\n  inner: deep\n",
      record);
  REQUIRE_MESSAGE(status.ok(), status.error().message);
  CHECK(record.name == "537");
  CHECK(record.flag);
  CHECK(record.count == 12);
  CHECK(record.width == 640);
  CHECK(record.pad == 114);
  CHECK(record.threshold == 0.5F);
  CHECK(record.mean == std::array<float, 3>{103.5F, 116.0F, -1.0F});
  CHECK(record.labels == std::vector<std::string>{"person", "traffic light", "t\xC3\xA9l\xC3\xA9"});
  CHECK(record.frames == std::vector<std::int64_t>{0, 30});
  CHECK(record.options == Pairs{{"threads", "4"}, {"mode", "fast"}});
  CHECK(record.fit == Fit::kStretch);
  CHECK(record.inner == "deep");
}

TEST_CASE("absent fields keep their defaults, one channel value serves all three") {
  Record record;
  REQUIRE(read("\xEF\xBB\xBFname: x\nmean: 127.5\n", record).ok());  // with a byte order mark
  CHECK(record.width == 7);
  CHECK(record.threshold == 0.25F);
  CHECK(record.mean == std::array<float, 3>{127.5F, 127.5F, 127.5F});
  CHECK(record.fit == Fit::kLetterbox);
}

TEST_CASE("a problem is told with its line, its path, and what was found") {
  const struct {
    std::string text;
    std::string message;
  } rows[] = {
      {"flag: true\n", "a.yaml:1: name: missing"},
      {"name:\n", "a.yaml:1: name: expected text, found nothing"},
      {"name: [a]\n", "a.yaml:1: name: expected text, found a list"},
      {"name: {a: b}\n", "a.yaml:1: name: expected text, found a section"},
      {"name: a\nflag: yes\n", "a.yaml:2: flag: expected true or false, found 'yes'"},
      {"name: a\n\n# more\nwidth: abc\n", "a.yaml:4: width: expected a whole number, found 'abc'"},
      {"name: a\nwidth: 12px\n", "a.yaml:2: width: expected a whole number, found '12px'"},
      {"name: a\nwidth: 1.5\n", "a.yaml:2: width: expected a whole number, found '1.5'"},
      {"name: a\nwidth: 99999999999999999999\n", "a.yaml:2: width: expected a whole number, found '99999999999999999999'"},
      {"name: a\nwidth: 5000\n", "a.yaml:2: width: expected 1 to 4096, found 5000"},
      {"name: a\nwidth: 4294967297\n", "a.yaml:2: width: expected 1 to 4096, found 4294967297"},
      {"name: a\npad: 256\n", "a.yaml:2: pad: expected 0 to 255, found 256"},
      {"name: a\nthreshold: 1.5\n", "a.yaml:2: threshold: expected 0 to 1, found 1.5"},
      {"name: a\nthreshold: 0.5x\n", "a.yaml:2: threshold: expected a number, found '0.5x'"},
      {"name: a\nthreshold: 1e999\n", "a.yaml:2: threshold: expected a number, found '1e999'"},
      {"name: a\nthreshold: ''\n", "a.yaml:2: threshold: expected a number, found ''"},
      {"name: a\nthreshold: .nan\n", "a.yaml:2: threshold: expected a number, found '.nan'"},
      {"name: a\nmean: [1, 2]\n", "a.yaml:2: mean: expected one number or three, found 2"},
      {"name: a\nmean: [1, two, 3]\n", "a.yaml:2: mean[1]: expected a number, found 'two'"},
      {"name: a\nlabels: face\n", "a.yaml:2: labels: expected a list, found 'face'"},
      {"name: a\nlabels:\n  - x\n  - [y]\n", "a.yaml:4: labels[1]: expected text, found a list"},
      {"name: a\noptions: [x]\n", "a.yaml:2: options: expected 'key: value' lines, found a list"},
      {"name: a\nsection: 5\n", "a.yaml:2: section: expected 'key: value' lines, found '5'"},
      {"name: a\nfit: ''\n", "a.yaml:2: fit: no choice named ''\n  hint: known: letterbox, stretch"},
      {"name: a\nfit: leterbox\n", "a.yaml:2: fit: no choice named 'leterbox'\n  hint: did you mean 'letterbox'?"},
      {"name: a\nwidht: 5\n", "a.yaml:2: widht: unknown key\n  hint: did you mean 'width'?"},
      {"name: a\nsection:\n  iner: x\n", "a.yaml:3: section.iner: unknown key\n  hint: did you mean 'inner'?"},
      {"name: a\nname: b\n", "a.yaml:2: name: key given twice"},
      {"name: &x a\n", "a.yaml:1: name: anchors and aliases are not supported"},
      {"name: !!str a\n", "a.yaml:1: name: tags are not supported"},
      {"name: a\n---\nname: b\n", "a.yaml: several documents in one file"},
      {"- a\n- b\n", "a.yaml: expected 'key: value' lines"},
      {"just words\n", "a.yaml: expected 'key: value' lines"},
      {"", "a.yaml: is empty"},
      {"  \n\n", "a.yaml: is empty"},
      {"# nothing\n", "a.yaml: expected 'key: value' lines"},
      {"section:\n\tinner: x\n", "a.yaml:2: tab in the indentation\n  hint: YAML wants spaces there"},
      {"name: caf\xE9\n", "a.yaml:1: not UTF-8 text\n  hint: save the file as UTF-8; is it a YAML file at all?"},
      {"name: a\n\x01\n", "a.yaml:2: control character in the text\n  hint: is it a YAML file at all?"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(message(row.text) == row.message);
  }
}

TEST_CASE("an unknown key is told before the key it was meant to be is missed") {
  CHECK(message("nmae: a\n") == "a.yaml:1: nmae: unknown key\n  hint: did you mean 'name'?");
}

TEST_CASE("text that is not YAML is refused with its line") {
  for (const char* text : {"name: [a, b\n", "name: \"open\n", "name: a\n  width: 5\n", "a: b: c\n", "{", "name: 'x\n", "? ? ?\n", "%%\n"}) {
    CAPTURE(text);
    const std::string told = message(text);
    CHECK(told != "ok");
    CHECK(told.find("a.yaml") == 0);
  }
}

TEST_CASE("a file is refused that is not there, a folder, or far too large") {
  const test::ScratchFolder folder;
  const auto missing = Document::load(folder.path() / "none.yaml");
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == Code::kNotFound);
  CHECK_FALSE(Document::load(folder.path()).ok());
  const auto large = Document::load(folder.write("large.yaml", std::string(3U << 20U, 'x')));
  REQUIRE_FALSE(large.ok());
  CHECK(large.error().code == Code::kInvalidArgument);
}

TEST_CASE("a text too deep or too long to be a description is refused, whatever its size") {
  const std::string deep = "a.yaml: nested deeper than 16 levels\n  hint: is it the right file?";
  CHECK(message("name: " + std::string(250000, '[') + std::string(250000, ']') + "\n") != "ok");
  CHECK(message("name: " + std::string(17, '[') + std::string(17, ']') + "\n") == deep);
  CHECK(message("name: " + std::string(15, '[') + std::string(15, ']') + "\n") != deep);
  std::string lines;
  for (int i = 0; i < 20000; ++i) lines += "k" + std::to_string(i) + ": x\n";
  CHECK(message(lines) == "a.yaml: more than 10000 values\n  hint: is it the right file?");
}

TEST_CASE("no bytes, however broken, make the reader throw or abort") {
  const std::string seed = "name: \"a\"\nmean: [1, 2, 3]\nsection:\n  inner: |\n    x\n? k\n: {a: 'b', c: &d [*d]}\n--- !t\n...\n";
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text = seed.substr(0, random() % (seed.size() + 1));
    for (unsigned i = random() % 4; i > 0 && !text.empty(); --i) text[random() % text.size()] = seed[random() % seed.size()];
    CHECK_FALSE(message(text).empty());
  }
  for (const char* piece : {"[", "{", "- ", "a: ", "? ", "&a ", "!t ", "|\n ", "\"", "'", "{a: "}) {
    CAPTURE(piece);
    std::string deep;
    for (int i = 0; i < 2000; ++i) deep += piece;
    CHECK(message(deep) != "ok");
  }
}

}  // namespace
}  // namespace edgecore::yaml

namespace edgecore {
namespace {

TEST_CASE("a suggestion is the nearest word, or all of them when none is near") {
  CHECK(suggest("yolo8", {"centernet", "yolov5", "yolov8"}) == "did you mean 'yolov8'?");
  CHECK(suggest("retina", {"centernet", "yolov5"}) == "known: centernet, yolov5");
  CHECK(suggest("anything", {}).empty());
}

TEST_CASE("bytes that are not UTF-8 become U+FFFD, one each") {
  CHECK(to_utf8("plain") == "plain");
  CHECK(to_utf8("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80") == "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  for (const char* bad : {"\xFF", "\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80"}) {
    std::string expected;
    for (std::size_t i = 0; i < std::string(bad).size(); ++i) expected += "\xEF\xBF\xBD";
    CHECK(to_utf8(bad) == expected);
  }
}

}  // namespace
}  // namespace edgecore
