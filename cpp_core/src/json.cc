#include "json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "edgecore/pipeline.h"

namespace edgecore {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kHexDigits = "0123456789abcdef";

std::uint8_t byte_at(std::string_view text, std::size_t at) noexcept { return static_cast<std::uint8_t>(text[at]); }

/// Bytes of the well-formed UTF-8 sequence at the start of `text`, 0 if there is none.
/// Source: Unicode Standard, table 3-7 (no overlong forms, no surrogates, at most U+10FFFF).
std::size_t utf8_length(std::string_view text) noexcept {
  const std::uint8_t lead = byte_at(text, 0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  const std::uint8_t lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const std::uint8_t highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte_at(text, 1) < lowest || byte_at(text, 1) > highest) return 0;
  for (std::size_t at = 2; at < length; ++at) {
    if ((byte_at(text, at) & 0xC0) != 0x80) return 0;
  }
  return length;
}

void append_escaped(std::string& out, char ascii) {
  switch (ascii) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (const auto code = static_cast<std::uint8_t>(ascii); code < 0x20) {
    out += "\\u00";
    out += kHexDigits[code >> 4];
    out += kHexDigits[code & 0xF];
  } else {
    out += ascii;
  }
}

std::string hex16(std::uint64_t value) {
  std::string digits(16, '0');
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, value >>= 4) *digit = kHexDigits[value & 0xF];
  return digits;
}

std::string label_of(const Detection& detection, const std::vector<std::string>& labels) {
  const auto index = static_cast<std::size_t>(detection.label);
  return index < labels.size() ? labels[index] : std::to_string(detection.label);
}

std::string to_json(const Detection& detection, const std::vector<std::string>& labels) {
  std::string box;
  for (const float edge : detection.box) box += (box.empty() ? "" : ", ") + json_number(edge, 3);
  return "{\"label\": " + json_string(label_of(detection, labels)) + ", \"score\": " + json_number(detection.score, 6) +
         ", \"box\": [" + box + "]}";
}

std::string to_json(const Timings& timings) {
  return "{\"decode\": " + std::to_string(timings.decode_us) +
         ", \"preprocess\": " + std::to_string(timings.preprocess_us) +
         ", \"infer\": " + std::to_string(timings.infer_us) +
         ", \"postprocess\": " + std::to_string(timings.postprocess_us) + "}";
}

std::string to_json(const Digests& digests) {
  return "{\"frame\": \"" + hex16(digests.frame) + "\", \"tensor\": \"" + hex16(digests.tensor) + "\"}";
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += kReplacement;
    } else if (length == 1) {
      append_escaped(out, text.front());
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out + '"';
}

std::string json_number(float value, int decimals) {
  if (!std::isfinite(value)) return "null";
  std::array<char, 64> digits{};  // FLT_MAX has 39 before the point
  // + 0.0F turns -0 into 0.
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), value + 0.0F, std::chars_format::fixed, decimals);
  return {digits.data(), end.ptr};
}

std::string to_json(const FrameResult& result, const std::vector<std::string>& labels) {
  std::string detections;
  for (const Detection& detection : result.detections) {
    detections += (detections.empty() ? "" : ", ") + to_json(detection, labels);
  }
  return "{\"frame\": " + std::to_string(result.frame.index) + ", \"pts_us\": " + std::to_string(result.frame.pts_us) +
         ", \"detections\": [" + detections + "], \"timings_us\": " + to_json(result.timings) +
         (result.digests ? ", \"digests\": " + to_json(*result.digests) : "") + "}";
}

}  // namespace edgecore
