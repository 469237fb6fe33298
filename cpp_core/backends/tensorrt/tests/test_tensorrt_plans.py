"""Damaged plans: whatever says so in header, lengths, release or chip is a typed error, without TensorRT."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from make_plan import make_plan
from tensorrt_boxes import AFFINE, RELEASES, V8_0, V8_5, V8_6, V10_3, Box, Release

from edgebuild.inputs.model import read_model, shipped_formats
from tests.e2e.harness import call

OK, UNSUPPORTED, CORRUPT = 0, 3, 4
MUTANTS = 300


def judge(box: Box, files: list[Path], release: Release, capability: int = 87) -> list[tuple[int, str]]:
    """(code, text) for each file."""
    number = release.number[0] * 100 + release.number[1]
    ended = call(box.tree / "bin/edgecore-tensorrt-plans", str(number), str(capability), *files, timeout_s=60).succeed()
    lines = [line.split("\t", 2) for line in ended.stdout.splitlines()]
    assert len(lines) == len(files)
    return [(int(code), text) for code, _, text in lines]


def judge_bytes(box: Box, content: bytes, folder: Path, release: Release, capability: int = 87) -> tuple[int, str]:
    file = folder / "one.plan"
    file.write_bytes(content)
    return judge(box, [file], release, capability)[0]


@pytest.fixture
def plan(release: Release) -> bytes:
    return make_plan(AFFINE.read_bytes(), release.number)


def test_a_plan_says_what_it_is_for(server: Box, release: Release, plan: bytes, tmp_path: Path) -> None:
    assert judge_bytes(server, plan, tmp_path, release) == (OK, f"TensorRT {release}.0 for compute capability 8.7")


def header_size(release: Release) -> int:
    """Bytes before the model: all that TensorRT itself would read before it looks at layers."""
    return make_plan(b"", release.number).index(b"stand-in")


def test_300_damaged_headers_are_typed_errors(server: Box, release: Release, plan: bytes, tmp_path: Path) -> None:
    """Bytes whose value nobody has explained may be anything; a bit in any other is told."""
    dice = random.Random(8)
    files, kinds = [], []
    for index in range(MUTANTS):
        damaged, kind = bytearray(plan), dice.choice(["flip", "cut", "longer", "noise"])
        at = dice.randrange(header_size(release))
        if kind == "flip":
            damaged[at] ^= 1 << dice.randrange(8)
        elif kind == "cut":
            del damaged[dice.randrange(len(damaged)) :]
        elif kind == "longer":
            damaged += dice.randbytes(dice.randrange(1, 64))
        else:
            damaged[at : at + 8] = dice.randbytes(8)
        files.append(tmp_path / f"{index}.plan")
        files[-1].write_bytes(damaged)
        kinds.append((kind, at))
    answers = judge(server, files, release)
    passed = [kind for kind, (code, _) in zip(kinds, answers, strict=True) if code == OK]
    assert {code for code, _ in answers} <= {OK, UNSUPPORTED, CORRUPT}
    assert not [kind for kind in passed if kind[0] in ("cut", "longer")]
    assert all(text for _, text in answers)
    unexplained = [at for _, at in passed]
    allowed = unread_bytes(release)
    assert not [at for at in unexplained if not any(at <= place < at + 8 or place == at for place in allowed)], passed


def unread_bytes(release: Release) -> set[int]:
    """Places in a stand-in's plan whose meaning is not known, or is another right value: archive version, records."""
    if release.number >= (8, 6, 0):
        first = 0x38
        records = first + (20 if release.number >= (10, 15, 0) else 24)
        known = {records + 5 * index + part for index in range(4) for part in range(5)}
        return set(range(0x1C, 0x20)) | set(range(first + 4, first + 12)) | (set(range(records, records + 180)) - known)
    return set(range(8, 12)) | set(range(24, 24 + 80))


def test_a_file_that_memory_cannot_hold_is_no_defect_of_ours(server: Box, tmp_path: Path) -> None:
    path = tmp_path / "large.plan"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    limited = 'ulimit -v 500000; exec "$0" "$@"'
    ended = call("sh", "-c", limited, server.tree / "bin/edgecore-tensorrt-plans", "806", "87", path, timeout_s=60)
    assert ended.succeed().stdout == f"{UNSUPPORTED}\t{path}\t{path}: {1 << 30} bytes, for which there is no memory\n"


def test_every_cut_is_corrupt(server: Box, release: Release, plan: bytes, tmp_path: Path) -> None:
    files = []
    for size in range(0, len(plan), 7):
        files.append(tmp_path / f"{size}.plan")
        files[-1].write_bytes(plan[:size])
    assert {code for code, _ in judge(server, files, release)} == {CORRUPT}


@pytest.mark.parametrize("offset", [8, 16, 0x20 + 8, 0x20 + 16, 0x38 + 16])
@pytest.mark.parametrize("value", [0, 2, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63), (1 << 64) - 1, (1 << 64) - 24])
def test_lengths_are_never_believed(server: Box, tmp_path: Path, offset: int, value: int) -> None:
    damaged = bytearray(make_plan(AFFINE.read_bytes(), V10_3.number))
    assert struct.unpack_from("<Q", damaged, offset)[0] != value
    struct.pack_into("<Q", damaged, offset, value)
    assert judge_bytes(server, bytes(damaged), tmp_path, V10_3)[0] == CORRUPT


def wrapped(plan: bytes) -> bytes:
    return struct.pack("<I", 18) + b'{"task": "detect"}' + plan


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (lambda plan: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", CORRUPT, "git lfs pull"),
        (wrapped, CORRUPT, "cut that off: tail -c +23"),
        (lambda plan: AFFINE.read_bytes(), CORRUPT, "trtexec --onnx="),
        (lambda plan: b"ptrt" + struct.pack("<IIQ", 97, 211, 0) + bytes(64), UNSUPPORTED, "TensorRT 7 or older"),
        (lambda plan: b"vtrt" + plan[4:], UNSUPPORTED, "TensorRT for RTX"),
    ],
    ids=["lfs-pointer", "ultralytics", "onnx", "tensorrt-7", "rtx"],
)
def test_what_people_take_for_a_plan_is_told_apart(
    server: Box, tmp_path: Path, content: Callable[[bytes], bytes], code: int, words: str
) -> None:
    answer = judge_bytes(server, content(make_plan(AFFINE.read_bytes(), V10_3.number)), tmp_path, V10_3)
    assert answer[0] == code
    assert words in answer[1]


@pytest.mark.parametrize(
    ("made_by", "runs_on", "capability", "code"),
    [
        (V10_3, V8_6, 87, UNSUPPORTED),  # newer than the library
        (V8_6, V10_3, 87, OK),  # may be version-compatible: TensorRT says
        (V8_5, V8_6, 87, UNSUPPORTED),  # nothing was, before 8.6
        (V8_0, V8_5, 87, UNSUPPORTED),
        (V8_5, V8_5, 72, UNSUPPORTED),  # another chip
        (V8_6, V8_6, 75, UNSUPPORTED),
        (V8_6, V8_6, 89, OK),  # may be hardware-compatible: TensorRT says
    ],
    ids=lambda value: str(value),
)
def test_a_plan_for_another_release_or_chip_is_unsupported(
    server: Box, tmp_path: Path, made_by: Release, runs_on: Release, capability: int, code: int
) -> None:
    answer = judge_bytes(server, make_plan(AFFINE.read_bytes(), made_by.number), tmp_path, runs_on, capability)
    assert answer[0] == code
    assert code == OK or f"made by TensorRT {made_by}" in answer[1]


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_the_audit_knows_the_format(release: Release, tmp_path: Path) -> None:
    file = tmp_path / "face.plan"
    file.write_bytes(make_plan(AFFINE.read_bytes(), release.number))
    known = {(8, 0): "tensorrt-archive - 200", (8, 5): "tensorrt-archive - 8.5"}
    found = read_model(file, shipped_formats())
    assert found is not None
    assert found.value == known.get(release.number[:2], f"tensorrt - {release}.0")
