// A model's description: the small YAML beside the model file that says what goes in and what comes out.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "edgecore/backend.h"
#include "edgecore/status.h"

namespace edgecore {

enum class Layout : std::uint8_t { kNchw, kNhwc };
enum class ColorOrder : std::uint8_t { kRgb, kBgr };
enum class Fit : std::uint8_t { kLetterbox, kStretch };

/// input: section. value = (sample - mean) * scale per channel, samples 0..255 in `order`.
struct InputDescription {
  std::string name;  // empty: the model's only input
  std::int32_t width_px = 0;
  std::int32_t height_px = 0;
  Layout layout = Layout::kNchw;
  ColorOrder order = ColorOrder::kRgb;
  Fit fit = Fit::kLetterbox;
  std::uint8_t pad = 0;  // sample value of the letterbox bars, each channel
  std::array<float, 3> mean{0.0F, 0.0F, 0.0F};
  std::array<float, 3> scale{1.0F, 1.0F, 1.0F};
};

/// What the model takes: [1, 3, H, W] or [1, H, W, 3].
Shape shape_of(const InputDescription& input);

/// head: section. `kind` names a decoder in postprocess.h ("centernet", "yolov5", "yolov8").
struct HeadDescription {
  std::string kind;
  std::map<std::string, std::string> outputs;  // role -> tensor name, e.g. heatmap -> "537"
  float score_threshold = 0.25F;
  float iou_threshold = 0.45F;
  std::int32_t stride = 4;            // centernet: input pixels per heatmap cell
  std::int32_t max_detections = 300;
};

struct ModelDescription {
  std::filesystem::path source;  // the YAML, for messages
  std::filesystem::path file;    // the model, absolute
  std::string sha256;            // of the file, as somebody vouches for it: 64 hex digits; empty: nobody does
  InputDescription input;
  HeadDescription head;
  std::vector<std::string> labels;
};

/// Strict: unknown key (with did-you-mean), wrong type, missing key, tab indentation are errors as
/// "face.yaml: head.kind: no decoder named 'yolo8'" with the line where known.
Result<ModelDescription> load_model_description(const std::filesystem::path& yaml);

/// Does the description fit the model that was opened? Names, rank, channels, size, label count.
/// may_batch: of a model that takes a fixed number of inputs in one run, one of them has to.
Status check_against(const ModelDescription& description, const Engine& engine, bool may_batch = false);

}  // namespace edgecore
