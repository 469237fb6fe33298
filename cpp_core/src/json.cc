#include "json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <locale>
#include <sstream>

#include "edgecore/pipeline.h"
#include "utf8.h"

namespace edgecore {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

void append_escaped(std::string& out, char byte) {
  switch (byte) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (const auto code = static_cast<std::uint8_t>(byte); code < 0x20) {
    out += "\\u00";
    out += kHexDigits[code >> 4];
    out += kHexDigits[code & 0xF];
  } else {
    out += byte;
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
  const std::string tensor = digests.tensor ? "\"" + hex16(*digests.tensor) + "\"" : "null";
  return "{\"frame\": \"" + hex16(digests.frame) + "\", \"tensor\": " + tensor + "}";
}

std::string to_json(const CopyCounts& copies) {
  return "{\"to_device\": " + std::to_string(copies.to_device) +
         ", \"to_device_bytes\": " + std::to_string(copies.to_device_bytes) +
         ", \"to_host\": " + std::to_string(copies.to_host) +
         ", \"to_host_bytes\": " + std::to_string(copies.to_host_bytes) + "}";
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char byte : to_utf8(text)) append_escaped(out, byte);
  return out + '"';
}

std::string json_number(float value, int decimals) {
  if (!std::isfinite(value)) return "null";
  value += 0.0F;  // turns -0 into 0
#if defined(_GLIBCXX_RELEASE) && _GLIBCXX_RELEASE < 11
  // libstdc++ writes floating point numbers from GCC 11 on. The same digits, slower, whatever the process' locale is.
  std::ostringstream digits;
  digits.imbue(std::locale::classic());
  digits << std::fixed << std::setprecision(decimals) << value;
  return digits.str();
#else
  std::array<char, 64> digits{};  // FLT_MAX has 39 before the point
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed, decimals);
  return {digits.data(), end.ptr};
#endif
}

std::string to_json(const FrameResult& result, const std::vector<std::string>& labels, const std::string& stream) {
  std::string detections;
  for (const Detection& detection : result.detections) {
    detections += (detections.empty() ? "" : ", ") + to_json(detection, labels);
  }
  return (stream.empty() ? "{" : "{\"stream\": " + json_string(stream) + ", ") +
         "\"frame\": " + std::to_string(result.frame.index) + ", \"pts_us\": " + std::to_string(result.frame.pts_us) +
         ", \"detections\": [" + detections + "], \"timings_us\": " + to_json(result.timings) +
         (result.digests ? ", \"digests\": " + to_json(*result.digests) : "") +
         (result.copies ? ", \"copies\": " + to_json(*result.copies) : "") + "}";
}

}  // namespace edgecore
