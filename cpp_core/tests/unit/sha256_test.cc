#include "sha256.h"

#include <doctest/doctest.h>

#include <string>

#include "scratch.h"

namespace edgecore {
namespace {

std::string sha256(const std::string& text) {
  Sha256 sha;
  sha.update(text.data(), text.size());
  return sha.finish();
}

TEST_CASE("NIST's examples") {
  // Source: NIST, "Examples with Intermediate Values" of FIPS 180-4 (SHA256.pdf), and its CAVS short messages.
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("\xbd") == "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
  CHECK(sha256(std::string(55, '\0')) == "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
  CHECK(sha256(std::string(56, '\0')) == "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
  CHECK(sha256(std::string(64, '\0')) == "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
  CHECK(sha256(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("pieces of any size give the sum of the whole") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7);
  for (const std::size_t piece : {1U, 3U, 63U, 64U, 65U, 127U, 999U}) {
    Sha256 sha;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      sha.update(text.data() + at, std::min(piece, text.size() - at));
    }
    CHECK(sha.finish() == sha256(text));
  }
}

TEST_CASE("a file's sum, and a file that cannot be read") {
  const test::ScratchFolder folder;
  const Result<std::string> sum = sha256_of(folder.write("abc", "abc"));
  REQUIRE(sum.ok());
  CHECK(*sum == sha256("abc"));
  CHECK(*sha256_of(folder.write("empty", "")) == sha256(""));
  const std::string large((1U << 20U) + 5, 'a');
  CHECK(*sha256_of(folder.write("large", large)) == sha256(large));
  for (const auto& path : {folder.path() / "none", folder.path()}) {
    const Result<std::string> refused = sha256_of(path);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Code::kNotFound);
    CHECK(refused.error().message.find(path.string() + ": cannot be read: ") == 0);
  }
}

}  // namespace
}  // namespace edgecore
