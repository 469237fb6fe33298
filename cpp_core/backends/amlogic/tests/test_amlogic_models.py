"""Models that are not what they claim: each is refused by kind, and none takes the process down."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from amlogic_nbg import (
    AFFINE,
    FIXED_POINT,
    FORMATS,
    SECTIONS_AT,
    Port,
    affine_program,
    nbg,
    sealed,
)
from amlogic_trial import CORRUPT, INVALID_ARGUMENT, NOT_FOUND, OK, UNSUPPORTED, Answer, attempt

from tests.e2e.fixtures import Built

X = Port("x", "int16", (1, 4), FIXED_POINT, position=1)
Y = replace(X, name="y")
OLD = 0x0001000F  # without a checksum: structure is all there is to go by
NEW = 0x00010020
MUTANTS = 300
SEED = 17


def model(x: Port = X, y: Port = Y, **facts: int) -> bytes:
    return nbg((x,), (y,), affine_program(2.0, 1.0), **facts)


def patched(blob: bytes, at: int, value: int) -> bytes:
    return blob[:at] + struct.pack("<I", value & 0xFFFFFFFF) + blob[at + 4 :]


def try_bytes(native: Built, folder: Path, blob: bytes, *options: str, **env: str) -> Answer:
    path = folder / "model.nb"
    path.write_bytes(blob)
    return attempt(native, path, *options, env=env)


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize("dtype", [each for each in FORMATS if each != "float16"])
def test_a_sound_model_runs_whatever_its_ports_are_stored_as(
    native: Built, tmp_path: Path, dtype: str, version: int
) -> None:
    quant = AFFINE if "int" in dtype else 0
    x = replace(X, dtype=dtype, quant=quant, scale=0.5 if quant else 1.0)
    answer = try_bytes(native, tmp_path, model(x, replace(x, name="y"), version=version))
    assert (answer.code, answer.text, answer.stderr) == (OK, "", "")


@pytest.mark.parametrize(
    ("blob", "code", "says"),
    [
        (b"", CORRUPT, "does not begin with VPMN"),
        (b"VPM", CORRUPT, "does not begin with VPMN"),
        (b"VPMN", CORRUPT, "breaks off in the NBG header: 4 bytes of at least 472"),
        (model()[:500], CORRUPT, "breaks off in the NBG header: 500 bytes of 648"),
        (model()[:-1], CORRUPT, "ends at byte 1012, the file at 1011"),
        (model() + b"\0", CORRUPT, "it was damaged"),
        (model(target=0x99), UNSUPPORTED, "was compiled for NPU PID 0x99, this device is 0x88"),
        (patched(model(), 4, 0x00010021), UNSUPPORTED, "NBG version 0x00010021, known are 0x00010008 to 0x00010020"),
        (patched(model(), 4, 0x00010007), UNSUPPORTED, "NBG version 0x00010007"),
        (patched(model(), 84, 2), CORRUPT, "2 inputs, but their table has 116 bytes"),
        (patched(model(), 84, 0), CORRUPT, "0 inputs"),
        (patched(model(), 76, 0x40000000), CORRUPT, "1073741824 layers"),
        (patched(model(), 80, 0), CORRUPT, "0 operations"),
        (patched(model(), SECTIONS_AT, SECTIONS_AT + 4), CORRUPT, "the table of inputs cannot be at byte 380"),
        (patched(model(), SECTIONS_AT, 0xFFFFFFF0), CORRUPT, "the table of inputs cannot be at byte 4294967280"),
        (patched(model(), SECTIONS_AT + 40, 0xFFFFFFFF), CORRUPT, "section 5 of the NBG ends at byte 4294967319"),
        (patched(model(), SECTIONS_AT + 40, 16), CORRUPT, "section 5 of the NBG begins at byte 16, within the header"),
        (patched(model(), 900, 7), CORRUPT, "it was damaged; copy it again"),
        (sealed(patched(model(), 648, 7)), CORRUPT, "'x' has 7 dimensions of an impossible size"),
        (sealed(patched(model(), 648, 0)), CORRUPT, "'x' has 0 dimensions"),
        (model(replace(X, shape=(1, 0))), CORRUPT, "'x' has 2 dimensions of an impossible size"),
        (model(replace(X, shape=(1 << 20, 1 << 20))), CORRUPT, "of an impossible size"),
        (model(replace(X, shape=(1 << 31, 1 << 31, 4))), CORRUPT, "of an impossible size"),
        (model(replace(X, kind=1)), UNSUPPORTED, "'x' is no tensor (NBG kind 1)"),
        (sealed(patched(model(), 676, 7)), UNSUPPORTED, "'x' has NBG type 7 with quantization 1"),
        (sealed(patched(model(), 684, 3)), UNSUPPORTED, "with quantization 3"),
        (model(replace(X, position=99)), CORRUPT, "'x' has its binary point at 99"),
        (model(replace(X, quant=AFFINE, scale=0.0)), CORRUPT, "'x' has scale 0"),
        (model(replace(X, quant=AFFINE, scale=float("nan"))), CORRUPT, "'x' has scale nan"),
        (model(replace(X, quant=AFFINE, zero_point=-(1 << 31))), CORRUPT, "zero point -2147483648"),
        (model(replace(X, name="x" * 64)), CORRUPT, "the entry at byte 648 has no readable name"),
        (model(replace(X, name="a\nb")), CORRUPT, "has no readable name"),
    ],
)
def test_what_is_wrong_is_said(native: Built, tmp_path: Path, blob: bytes, code: int, says: str) -> None:
    answer = try_bytes(native, tmp_path, blob)
    assert says in answer.text
    assert (answer.code, answer.stderr) == (code, "")


def test_what_is_no_readable_file_is_said(native: Built, tmp_path: Path) -> None:
    assert attempt(native, tmp_path / "none.nb").code == NOT_FOUND
    assert attempt(native, tmp_path).text == "is no regular file"
    long = tmp_path / "long.nb"
    with long.open("wb") as file:
        file.truncate((1 << 30) + 1)
    assert attempt(native, long).text == "is 1073741825 bytes long, at most 1 GiB is supported"
    with long.open("wb") as file:
        file.truncate(1 << 30)
    answer = attempt(native, long, memory_kib=500_000)
    assert (answer.code, answer.text) == (UNSUPPORTED, "is 1073741824 bytes long, for which there is no memory")


def test_a_model_is_held_against_the_device_that_is_there(native: Built, tmp_path: Path) -> None:
    answer = try_bytes(native, tmp_path, model(), EDGECORE_STAND_IN_PID="0x7D")
    assert answer.code == UNSUPPORTED
    assert answer.text == "was compiled for NPU PID 0x88, this device is 0x7D; convert it for that one"
    assert try_bytes(native, tmp_path, model(target=0x7D), EDGECORE_STAND_IN_PID="0x7D").code == OK


def test_a_model_that_the_driver_does_not_know_is_the_drivers_refusal(native: Built, tmp_path: Path) -> None:
    answer = try_bytes(native, tmp_path, nbg((X,), (Y,), b"no program"))
    assert answer.text.startswith("vxImportKernelFromURL gives nothing; VIV_VX_DEBUG_LEVEL=1")
    assert answer.stderr == ""


def test_of_300_damaged_models_none_with_a_checksum_gets_through_and_none_kills(native: Built, tmp_path: Path) -> None:
    random_source = random.Random(SEED)
    mutants = [mutant(random_source, model(version=version)) for version in (NEW, OLD) for _ in range(MUTANTS // 2)]

    def judge(number: int) -> Answer:
        path = tmp_path / f"{number}.nb"
        path.write_bytes(mutants[number])
        return attempt(native, path)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(judge, range(len(mutants))))
    codes = {version: Counter(each.code for each in answers[slice_]) for version, slice_ in SLICES.items()}
    print(codes)
    assert set(codes[NEW]) <= {CORRUPT, UNSUPPORTED}
    assert set(codes[OLD]) <= {CORRUPT, UNSUPPORTED, OK, 5}  # 5: the driver's own refusal
    assert codes[OLD][CORRUPT] > MUTANTS // 8
    assert all(each.text for each in answers if each.code != OK)


SLICES = {NEW: slice(0, MUTANTS // 2), OLD: slice(MUTANTS // 2, MUTANTS)}


def mutant(source: random.Random, blob: bytes) -> bytes:
    """Damaged in one of the ways that files are, and never the same as before."""
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: blob[: source.randrange(len(blob))],
        lambda: patched(blob, source.randrange(0, len(blob) - 4), source.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF))),
        lambda: patched(blob, 4 * source.randrange(0, 180), source.getrandbits(32)),
        lambda: blob[: (cut := source.randrange(len(blob)))] + bytes(source.randrange(1, 64)) + blob[cut:],
        lambda: bytes(byte ^ (source.random() < 0.01) << source.randrange(8) for byte in blob),
    )
    while True:
        damaged = source.choice(ways)()
        if damaged != blob:
            return damaged


SIDECAR = "# ours\n\ninput picture int16 1x4 0.5 0\noutput doubled int16 1x4 0.5 0\n"


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (SIDECAR, OK, ""),
        (SIDECAR.replace("0.5", "0.500001"), OK, ""),
        ("", INVALID_ARGUMENT, "describes 0 inputs and 0 outputs, the model has 1 and 1"),
        (SIDECAR + SIDECAR.replace("picture", "other"), INVALID_ARGUMENT, "line 7: the model has only 1 inputs"),
        (
            SIDECAR.replace("picture int16", "picture uint8"),
            INVALID_ARGUMENT,
            "line 3: the model's input 0 is int16 1x4 0.5 0",
        ),
        (
            SIDECAR.replace("1x4 0.5 0\noutput", "1x5 0.5 0\noutput"),
            INVALID_ARGUMENT,
            "line 3: the model's input 0 is int16 1x4",
        ),
        (
            SIDECAR.replace("doubled int16 1x4 0.5", "doubled int16 1x4 0.6"),
            INVALID_ARGUMENT,
            "line 4: the model's output 0",
        ),
        (SIDECAR.replace("0.5 0\n", "0.5 1\n"), INVALID_ARGUMENT, "line 3"),
        (SIDECAR.replace("0.5", "half"), INVALID_ARGUMENT, "line 3"),
        (SIDECAR.replace("doubled", "picture"), CORRUPT, "line 4: 'picture' stands there twice"),
        (SIDECAR.replace("input", "in"), CORRUPT, "line 3: expected: input|output NAME TYPE SHAPE SCALE ZERO_POINT"),
        (SIDECAR.replace("0\noutput", "0 more\noutput"), CORRUPT, "line 3: expected"),
        (SIDECAR.replace("picture", "p" * 128), CORRUPT, "line 3: the name is longer than 127 bytes"),
        ("x" * 600, CORRUPT, "line 1: too long"),
    ],
)
def test_a_sidecar_agrees_with_its_model_or_is_refused(
    native: Built, tmp_path: Path, text: str, code: int, says: str
) -> None:
    (tmp_path / "model.nb.io").write_text(text)
    answer = try_bytes(native, tmp_path, model())
    assert says in answer.text
    assert answer.code == code


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("raw", "yes"), "option raw: expected true or false, found 'yes'"),
        (("slots", "0"), "option slots: expected 1 to 4, found '0'"),
        (("slots", "12"), "option slots: expected 1 to 4, found '12'"),
        (("threads", "2"), "no option named 'threads'; known: raw, slots"),
    ],
)
def test_an_option_is_judged(native: Built, tmp_path: Path, options: tuple[str, str], says: str) -> None:
    answer = try_bytes(native, tmp_path, model(), *options)
    assert (answer.code, answer.text) == (INVALID_ARGUMENT, says)


def test_raw_ports_have_the_stored_type_where_the_seam_has_it(native: Built, tmp_path: Path) -> None:
    x = replace(X, dtype="uint8", quant=AFFINE, scale=0.5)
    assert try_bytes(native, tmp_path, model(x, replace(x, name="y")), "raw", "true").code == OK
    answer = try_bytes(native, tmp_path, model(), "raw", "true")
    assert answer.code == UNSUPPORTED
    assert answer.text == "'x' is stored as int16, which has no raw form here; leave out raw: true"
