#include "sidecar.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>

#include "edgecore/module.h"

namespace edgecore::amlogic {
namespace {

using abi::Code;
using module::fail;

constexpr std::size_t kMaxLines = 256;
constexpr std::size_t kMaxLineBytes = 512;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t size : shape) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

/// What stands behind the name in a line about this port.
std::string facts_text(const Port& port) {
  char scale[32];
  std::snprintf(scale, sizeof scale, "%.9g", static_cast<double>(port.element.scale));
  return std::string(name_of(port.element.type)) + " " + shape_text(port.shape) + " " + scale + " " +
         std::to_string(port.element.zero_point);
}

struct Line {
  std::string direction, name, type, shape, scale, zero_point;
};

/// Six words, or false.
bool split(const std::string& text, Line& line) {
  std::istringstream words(text);
  std::string rest;
  return words >> line.direction >> line.name >> line.type >> line.shape >> line.scale >> line.zero_point &&
         !(words >> rest);
}

/// A scale may be rounded to six digits by whoever wrote it down.
bool same_scale(const std::string& text, float scale) {
  char* end = nullptr;
  const float written = std::strtof(text.c_str(), &end);
  return end != text.c_str() && *end == '\0' && std::fabs(written - scale) <= 1e-5F * scale;
}

bool agrees(const Line& line, const Port& port) {
  return line.type == name_of(port.element.type) && line.shape == shape_text(port.shape) &&
         same_scale(line.scale, port.element.scale) && line.zero_point == std::to_string(port.element.zero_point);
}

bool is_taken(const Model& model, std::size_t inputs, std::size_t outputs, const std::string& name) {
  const auto has_name = [&](const Port& port) { return port.name == name; };
  const auto span = [](std::size_t count) { return static_cast<std::ptrdiff_t>(count); };
  return std::any_of(model.inputs.begin(), model.inputs.begin() + span(inputs), has_name) ||
         std::any_of(model.outputs.begin(), model.outputs.begin() + span(outputs), has_name);
}

}  // namespace

Code apply_sidecar(const std::string& path, Model& model, abi::Error* error) {
  std::ifstream file(path);
  if (!file) {
    if (errno == ENOENT) return Code::kOk;
    return fail(error, Code::kNotFound, "%s: cannot be read: %s", path.c_str(), std::strerror(errno));
  }
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  std::string text;
  for (std::size_t number = 1; std::getline(file, text); ++number) {
    const auto refuse = [&](Code code, const std::string& problem) {
      return fail(error, code, "%s: line %zu: %s", path.c_str(), number, problem.c_str());
    };
    if (number > kMaxLines || text.size() > kMaxLineBytes)
      return refuse(Code::kCorrupt, "too long for a description of ports");
    if (text.find_first_not_of(" \t\r") == std::string::npos || text[text.find_first_not_of(" \t\r")] == '#') continue;
    Line line;
    if (!split(text, line) || (line.direction != "input" && line.direction != "output")) {
      return refuse(Code::kCorrupt, "expected: input|output NAME TYPE SHAPE SCALE ZERO_POINT");
    }
    if (line.name.size() >= abi::kMaxName) return refuse(Code::kCorrupt, "the name is longer than 127 bytes");
    if (is_taken(model, inputs, outputs, line.name))
      return refuse(Code::kCorrupt, "'" + line.name + "' stands there twice");

    std::vector<Port>& ports = line.direction == "input" ? model.inputs : model.outputs;
    std::size_t& next = line.direction == "input" ? inputs : outputs;
    if (next == ports.size()) {
      return refuse(Code::kInvalidArgument, "the model has only " + std::to_string(next) + " " + line.direction + "s");
    }
    if (!agrees(line, ports[next])) {
      return refuse(Code::kInvalidArgument,
                    "the model's " + line.direction + " " + std::to_string(next) + " is " + facts_text(ports[next]));
    }
    ports[next++].name = line.name;
  }
  if (file.bad()) return fail(error, Code::kNotFound, "%s: cannot be read: %s", path.c_str(), std::strerror(errno));
  if (inputs != model.inputs.size() || outputs != model.outputs.size()) {
    return fail(error, Code::kInvalidArgument, "%s: describes %zu inputs and %zu outputs, the model has %zu and %zu",
                path.c_str(), inputs, outputs, model.inputs.size(), model.outputs.size());
  }
  return Code::kOk;
}

}  // namespace edgecore::amlogic
