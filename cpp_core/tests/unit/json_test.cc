#include <doctest/doctest.h>

#include <limits>

#include "edgecore/pipeline.h"
#include "json.h"

using namespace edgecore;

TEST_CASE("strings: quotes, backslashes and control characters are escaped, UTF-8 stays") {
  CHECK(json_string("a \"b\" \\ c\n\t\r\x01\x1f") == R"("a \"b\" \\ c\n\t\r\u0001\u001f")");
  CHECK(json_string("\xE4\xBA\xBA \xC3\xA9 \xF0\x9F\x9A\xB2") == "\"\xE4\xBA\xBA \xC3\xA9 \xF0\x9F\x9A\xB2\"");
  CHECK(json_string(std::string_view("a\0b", 3)) == "\"a\\u0000b\"");
  CHECK(json_string("") == "\"\"");
}

TEST_CASE("strings: each byte that is not UTF-8 becomes one U+FFFD") {
  const std::string replaced = "\xEF\xBF\xBD";
  CHECK(json_string("a\xFFz") == "\"a" + replaced + "z\"");
  CHECK(json_string("\xC3") == "\"" + replaced + "\"");                                   // cut off
  CHECK(json_string("\xE4\xBA") == "\"" + replaced + replaced + "\"");                    // cut off
  CHECK(json_string("\xC0\xAF") == "\"" + replaced + replaced + "\"");                    // overlong '/'
  CHECK(json_string("\xED\xA0\x80") == "\"" + replaced + replaced + replaced + "\"");     // surrogate
  CHECK(json_string("\xF4\x90\x80\x80") == "\"" + replaced + replaced + replaced + replaced + "\"");  // > U+10FFFF
  CHECK(json_string("\xC3\"") == "\"" + replaced + "\\\"\"");                             // the quote survives
}

TEST_CASE("numbers: fixed notation, no minus zero, null where JSON has no word") {
  CHECK(json_number(0.85F, 6) == "0.850000");
  CHECK(json_number(12.3456F, 3) == "12.346");
  CHECK(json_number(-0.0F, 3) == "0.000");
  CHECK(json_number(1e-9F, 6) == "0.000000");
  CHECK(json_number(std::numeric_limits<float>::max(), 3).size() == 43);
  CHECK(json_number(std::numeric_limits<float>::quiet_NaN(), 3) == "null");
  CHECK(json_number(-std::numeric_limits<float>::infinity(), 3) == "null");
}

TEST_CASE("one line per frame, with digests only where they were asked for") {
  FrameResult result;
  result.frame.index = 30;
  result.frame.pts_us = 1200000;
  result.timings = {1, 2, 3, 4};
  CHECK(to_json(result, {"face"}) ==
        R"({"frame": 30, "pts_us": 1200000, "detections": [], )"
        R"("timings_us": {"decode": 1, "preprocess": 2, "infer": 3, "postprocess": 4}})");
  CHECK(to_json(result, {"face"}, "till \"2\"").find(R"({"stream": "till \"2\"", "frame": 30, "pts_us")") == 0);

  result.detections = {{0, 0.5F, {1, 2, 3, 4.5F}}, {7, 0.25F, {0, 0, 1, 1}}};
  result.digests = Digests{0xABCDEF, 1};
  CHECK(to_json(result, {"face"}) ==
        R"({"frame": 30, "pts_us": 1200000, "detections": [)"
        R"({"label": "face", "score": 0.500000, "box": [1.000, 2.000, 3.000, 4.500]}, )"
        R"({"label": "7", "score": 0.250000, "box": [0.000, 0.000, 1.000, 1.000]}], )"
        R"("timings_us": {"decode": 1, "preprocess": 2, "infer": 3, "postprocess": 4}, )"
        R"("digests": {"frame": "0000000000abcdef", "tensor": "0000000000000001"}})");
}
