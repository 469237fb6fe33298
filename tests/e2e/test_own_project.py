"""A user's own C++ program on FFmpeg from our recipes: its shared libraries come along, nothing of the desk does."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.elf import highest_versions, read_elves
from edgebuild.unpack import unpack_tar
from tests.e2e.harness import ARM, OLD_ROOT, edgebuild

_FILES = {
    "edgebuild.yaml": """\
name: prober
version: cmake
source: {conan: conanfile.txt}
targets: [arm64]
run: bin/prober ${STATE}/clip.mp4
""",
    "conanfile.txt": "[requires]\nffmpeg/5.1.9\n",
    # Headers and libraries of the desk's glibc are on every desk: they would be found if its folders were searched.
    "CMakeLists.txt": """\
cmake_minimum_required(VERSION 3.20)
project(prober VERSION 1.2.3 LANGUAGES CXX)
find_library(AVFORMAT avformat-edge REQUIRED)
find_library(AVUTIL avutil-edge REQUIRED)
find_path(DESK stdio.h)
find_library(DESK_LIBRARY NAMES c m)
if(DESK OR DESK_LIBRARY)
  message(FATAL_ERROR "found on the desk: ${DESK} ${DESK_LIBRARY}")
endif()
find_path(HEADERS libavformat/avformat.h REQUIRED)
add_executable(prober main.cc)
target_include_directories(prober PRIVATE ${HEADERS})
target_link_libraries(prober PRIVATE ${AVFORMAT} ${AVUTIL})
install(TARGETS prober)
""",
    "main.cc": """\
extern "C" {
#include <libavformat/avformat.h>
}
#include <iostream>
#include <stdexcept>
#include <string>

static void probe(const std::string& path) {
  AVFormatContext* context = nullptr;
  if (avformat_open_input(&context, path.c_str(), nullptr, nullptr) < 0) {
    throw std::runtime_error("cannot open " + path);
  }
  const AVCodecParameters* video = context->streams[0]->codecpar;
  std::cout << video->width << "x" << video->height << std::endl;
  avformat_close_input(&context);
}

int main(int, char** argv) {
  try {
    probe(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << "caught: " << error.what() << std::endl;
    return 3;
  }
}
""",
}
_BUILD_S, _EMULATED_S = 1800, 120


@pytest.fixture(scope="module")
def prober(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built project's folder."""
    folder = tmp_path_factory.mktemp("prober")
    for name, text in _FILES.items():
        (folder / name).write_text(text)
    edgebuild("build", "--target", ARM, cwd=folder, timeout_s=_BUILD_S).succeed()
    return folder


def test_it_reads_a_real_video_and_its_exceptions_are_caught(prober: Path, clips: Path) -> None:
    def run(clip: Path) -> tuple[int, str, str]:
        words = ("run", "--target", ARM, "--root", OLD_ROOT, "--", "bin/prober", clip)
        ended = edgebuild(*words, cwd=prober, timeout_s=_EMULATED_S)
        return ended.code, ended.stdout, ended.stderr

    assert run(clips / "bikes.mp4")[:2] == (0, "640x272\n")
    code, _, stderr = run(clips / "none.mp4")
    assert code == 3 and "caught: cannot open" in stderr


def test_the_libraries_it_needs_ship_and_no_others(prober: Path, tmp_path: Path) -> None:
    unpack_tar(prober / "out" / ARM / f"prober-1.2.3-{ARM}.tar.gz", tmp_path, strip=1)
    elves = {elf.name: elf for elf in read_elves(tmp_path)}
    assert set(elves) == {
        "bin/prober", "lib/libavformat-edge.so.59", "lib/libavcodec-edge.so.59", "lib/libavutil-edge.so.57",
    }  # fmt: skip
    for elf in elves.values():
        assert not {"GLIBCXX", "CXXABI"} & set(highest_versions(elf)), f"{elf.name}: the C++ runtime is not inside"
        assert not any("stdc++" in library for library in elf.needed), elf.name
    assert (tmp_path / "share" / "licenses" / "ffmpeg" / "COPYING.LGPLv2.1").is_file()


def test_a_program_that_run_names_wrongly_is_a_mistake_of_the_file(prober: Path, tmp_path: Path) -> None:
    for name, text in _FILES.items():
        (tmp_path / name).write_text(text.replace("run: bin/prober", "run: bin/probe"))
    ended = edgebuild("build", "--target", ARM, cwd=tmp_path, timeout_s=_BUILD_S)
    assert ended.code == 2
    assert "run: the build installs no program 'bin/probe'" in ended.stderr
    assert "it installs bin/prober" in ended.stderr
