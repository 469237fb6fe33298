// A backend without a vendor, for the unit tests. What it gets wrong is decided when it is compiled (FAKE_NAME,
// FAKE_VERSION, FAKE_MUTE, FAKE_FRAIL, FAKE_CHATTY) and by the model file's words: "echo", "queue", "broken",
// "nothing" or one of the engines' flaws.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>

#include "fake_decoder.h"
#include "fake_engines.h"

namespace {

using namespace fake;

#ifdef FAKE_FRAIL
constexpr std::int32_t kSurvives = 0;
#else
constexpr std::int32_t kSurvives = 1;
#endif

std::string read_words(const char* path) {
  std::ifstream file(path);
  std::string words{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  while (!words.empty() && words.back() == '\n') words.pop_back();
  return words;
}

/// What vendors' loaders do with files that they do not like.
void end_process(const std::string& words) {
  if (has_word(words, "exits")) std::exit(0);
  if (has_word(words, "exits-3")) std::exit(3);
  if (has_word(words, "crashes")) std::raise(SIGSEGV);
  if (has_word(words, "is-interrupted")) std::raise(SIGINT);
  if (has_word(words, "hangs")) sleep(3600);
}

class FakeBackend final : public module::PlainBackend {
 public:
  const char* name() const noexcept override { return *FAKE_NAME == '\0' ? nullptr : FAKE_NAME; }
  const char* runtime() const noexcept override { return "Fake 1.0"; }
  std::int32_t device_count() const noexcept override { return 1; }
  std::int32_t survives_bad_models() const noexcept override { return kSurvives; }

  Code check_model(const char* path, abi::Error* error) noexcept override {
    if (!has_word(read_words(path), "headless")) return Code::kOk;
    return module::fail(error, Code::kCorrupt, "expected a header, found none");
  }

  Code open_engine(const abi::EngineSpec& spec, abi::Engine** engine, abi::Error* error) noexcept override {
    if (spec.option_count > 0) return module::fail(error, Code::kInvalidArgument, "no option named '%s'", spec.options[0].key);
    const std::string words = read_words(spec.model_path);
    if (has_word(words, "chatty")) std::puts("[fake] open_engine");
    end_process(words);
    if (words == "broken") return module::fail(error, Code::kCorrupt, "quoted from the model: \xFF!");
    if (words == "nothing") return Code::kOk;
    if (has_word(words, "queue")) {
      *engine = new QueueEngine(words);
    } else {
      *engine = new EchoEngine(words);
    }
    return Code::kOk;
  }

  Code open_decoder(const abi::DecoderSpec& spec, abi::Decoder** decoder, abi::Error* error) noexcept override {
    if (spec.codec == abi::Codec::kH265) return PlainBackend::open_decoder(spec, decoder, error);
    if (spec.codec == abi::Codec::kH264) {
      *decoder = new FakeVideo;
    } else {
      *decoder = new FakeDecoder;
    }
    return Code::kOk;
  }
};

#ifdef FAKE_CHATTY
// As vendors' libraries do when they are loaded: into stdio's buffer, which is written out at the end.
const int chatted = std::printf("[fake] loaded\n");
#endif

}  // namespace

EDGECORE_EXPORT abi::Backend* edgecore_backend(std::uint32_t version, abi::Error* error) {
  static FakeBackend backend;
  if (version == FAKE_VERSION) return &backend;
#ifndef FAKE_MUTE
  module::fail(error, Code::kUnsupported, "the module speaks version %d", FAKE_VERSION);
#else
  static_cast<void>(error);
#endif
  return nullptr;
}
