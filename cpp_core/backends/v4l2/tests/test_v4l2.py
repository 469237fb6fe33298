"""The decoder module against a stand-in of libv4l2 with strict decoders behind it: every picture of real videos bit for
bit, also across a change of size and after an end; no rule broken, nothing left open, every call failing once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgebuild.build.emulate import emulated_command
from edgebuild.build.sysroot import provide_sysroot
from edgebuild.config.targets import load_sysroot, load_target
from edgebuild.workspace import Workspace
from tests import data
from tests.e2e.fixtures import Built
from tests.e2e.harness import OLD_ROOT, Ended, call

ROW = "jetson-orin-jp6"
KERNELS = ("NV12", "NM12", "YU12", "YM12", "old")
SURFACES = ""  # as on a Jetson
UNITS = 12
HELD_UP = 16  # the decoder has 14 buffers: two pictures wait before the size changes
FAULT_STRIDE = 1 if os.environ.get("EDGEBUILD_LONG") else 61
SAID = ("Input/output error", "no V4L2 video decoder", "NvBufSurface", "does not decode H.264")
HARMLESS = {
    "ioctl 5",  # the codec, where the other one is there, too, when decoders are looked for
    "ioctl 15",  # a picture handed back when no more are wanted
    "ioctl 19",  # the decoder is closed
    "ioctl 27",  # the least number of pictures
    "ioctl 89",  # no event yet
    "ioctl 94",  # the visible part
    "NvBufSurfaceDestroy",
    "NvBufSurfaceUnMap",
}
STUBS = "share/edgecore/stubs"


@dataclass(frozen=True)
class Told:
    """lines: what the stand-in libraries wrote as the process ended in good order."""

    ended: Ended
    lines: tuple[dict[str, Any], ...]

    @property
    def words(self) -> str:
        return self.ended.stdout + self.ended.stderr

    @property
    def wrong(self) -> list[str]:
        """Rules broken, and what was left behind."""
        return [each for line in self.lines for each in (*line["broken"], *line["alive"])]


@pytest.fixture(scope="session")
def videos(cache: Workspace) -> tuple[Path, ...]:
    folder = data.provide_videos(cache)
    return tuple(folder / name for name in data.VIDEOS)


def environment(tree: Path, kind: str, *, with_surfaces: bool = True) -> dict[str, str]:
    """kind: a fourcc of what kernels' drivers give, "old" for one that marks no end, or SURFACES."""
    folders = [tree / STUBS / "v4l2", *([tree / STUBS / "nvbufsurface"] if with_surfaces else [])]
    chosen = {"EDGECORE_V4L2_LIBRARY": "libv4l2.so.0", "EDGECORE_V4L2_DEVICE": f"/dev/video-{kind}"} if kind else {}
    return {"LD_LIBRARY_PATH": ":".join(map(str, folders)), **chosen}


def account(ended: Ended, report: Path) -> Told:
    lines = tuple(json.loads(line) for line in report.read_text().splitlines()) if report.exists() else ()
    assert lines, f"the process did not end in good order: {ended.code}\n{ended.stdout}{ended.stderr}"
    return Told(ended, lines)


def check(
    tree: Path, folder: Path, env: Mapping[str, str], *videos: Path | str, units: int = UNITS, fail: int = 0
) -> Told:
    """fail: the number of a call."""
    report = folder / f"account-{fail}.jsonl"
    report.unlink(missing_ok=True)
    counted = {"EDGECORE_STAND_IN_REPORT": str(report), "EDGECORE_STAND_IN_FAIL": str(fail)}
    program = tree / "bin/edgecore-v4l2-check"
    ended = call(program, tree / "lib/edgecore", str(units), *videos, env={**env, **counted}, timeout_s=300)
    return account(ended, report)


@pytest.mark.parametrize("kind", [*KERNELS, SURFACES], ids=[*KERNELS, "surfaces"])
def test_every_picture_is_ffmpegs_also_when_the_size_changes(
    kind: str, native: Built, videos: tuple[Path, ...], tmp_path: Path
) -> None:
    told = check(native.tree, tmp_path, environment(native.tree, kind), *videos)
    assert told.ended.code == 0, told.words
    assert f"{3 * UNITS} pictures, 0 failures" in told.ended.stdout
    assert told.wrong == []


@pytest.mark.parametrize("kind", ["NM12", SURFACES], ids=["NM12", "surfaces"])
def test_pictures_may_be_held_on_another_thread(
    kind: str, native: Built, videos: tuple[Path, ...], tmp_path: Path
) -> None:
    """All, for longer than a change of size waits for its mark: the decoder stands still until they come back."""
    told = check(native.tree, tmp_path, environment(native.tree, kind), *videos, "slow", units=HELD_UP)
    assert told.ended.code == 0, told.words
    assert f"{2 * HELD_UP} pictures, 0 failures" in told.ended.stdout
    assert told.wrong == []


def test_a_damaged_picture_is_told_in_its_turn_and_left_out(
    native: Built, videos: tuple[Path, ...], tmp_path: Path
) -> None:
    told = check(native.tree, tmp_path, environment(native.tree, "NV12"), videos[0], "damaged")
    assert told.ended.code == 0, told.words
    assert f"{2 * UNITS} pictures, 0 failures, 1 damaged" in told.ended.stdout
    assert told.wrong == []


def test_a_jetsons_picture_without_its_libraries_is_not_taken_for_rows(
    native: Built, videos: tuple[Path, ...], tmp_path: Path
) -> None:
    told = check(native.tree, tmp_path, environment(native.tree, SURFACES, with_surfaces=False), videos[0])
    assert told.ended.code == 1
    assert "the picture is block linear" in told.words
    assert "libnvbufsurface.so cannot be opened" in told.words
    assert told.wrong == []


def test_a_stream_without_a_picture_is_an_error_and_not_a_wait(
    native: Built, videos: tuple[Path, ...], tmp_path: Path
) -> None:
    told = check(native.tree, tmp_path, environment(native.tree, "NV12"), videos[0], units=0)
    assert told.ended.code == 1
    assert "the stream ends before the decoder finds a picture in it" in told.words
    assert told.wrong == []


def test_a_node_that_decodes_nothing_is_named(native: Built) -> None:
    """Through the kernel's own door."""
    env = {"EDGECORE_V4L2_DEVICE": "/dev/null", "LD_LIBRARY_PATH": ""}
    ended = call(native.tree / "bin/edgecore", "backends", env=env, timeout_s=60)
    (record,) = [each for each in map(json.loads, ended.stdout.splitlines()) if each["name"] == "v4l2"]
    assert record["code"] == "not found"
    assert "/dev/null (the kernel): Inappropriate ioctl for device" in record["error"]


@pytest.mark.parametrize("kind", ["NM12", SURFACES], ids=["NM12", "surfaces"])
def test_calls_may_fail(kind: str, native: Built, videos: tuple[Path, ...], tmp_path: Path) -> None:
    """A typed error, or no loss: what is only asked for (crop, minimum, a command) has another way.

    One process for each: branches of one (FAIL=each) would write into each other's dma-bufs.
    """
    harmless: set[str] = set()
    for number in range(1, 2000, FAULT_STRIDE):
        told = check(native.tree, tmp_path, environment(native.tree, kind), *videos, units=4, fail=number)
        assert told.wrong == [], f"call {number}: {told}"
        assert told.ended.code in (0, 1), f"call {number}: {told}"
        failed = {line["failed"] for line in told.lines if line["failed"]}
        if told.ended.code == 0:
            harmless |= failed
        else:
            assert failed, told
            assert any(words in told.words for words in SAID), f"call {number}, {failed}: {told.words}"
        if not failed:
            break
    assert number > 150
    assert harmless <= HARMLESS


def test_on_arm64_too(videos: tuple[Path, ...], jetson: Built, cache: Workspace, tmp_path: Path) -> None:
    spec = load_target(ROW, cache)
    root = provide_sysroot(OLD_ROOT, *load_sysroot(OLD_ROOT, cache), ws=cache)
    report = tmp_path / "account.jsonl"
    env = {**environment(jetson.tree, SURFACES), "EDGECORE_STAND_IN_REPORT": str(report)}
    argv = (jetson.tree / "bin/edgecore-v4l2-check", jetson.tree / "lib/edgecore", "3", videos[0])
    command = emulated_command(spec.arch, spec.contract, root, argv, ws=cache, env=env)
    told = account(call(*command.argv, timeout_s=300, env=command.environment()), report)
    assert told.ended.code == 0, told.words
    assert "6 pictures, 0 failures" in told.ended.stdout
    assert told.wrong == []
