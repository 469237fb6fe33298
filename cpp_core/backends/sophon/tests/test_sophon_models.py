"""Damaged models: each is refused by kind before the maker's loader sees it, and no file takes the runner down.

On the stand-in, which ends the process on bytes that are no model, as the real loader does.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sophon_models import HERE, small_model
from sophon_runs import CORRUPT, INVALID_ARGUMENT, NOT_FOUND, OK, UNSUPPORTED, Answer, Place, simulator, stand_in

from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built

AFFINE = (HERE / "affine.bmodel").read_bytes()
SMALL = (HERE / "parts" / "small-bm1684.bmodel").read_bytes()
MUTANTS = 300
SEED = 23
HEADER_BYTES = 64


def words(model: bytes) -> tuple[int, int, int, int]:
    """Magic, and the sizes of header, description and data."""
    return struct.unpack_from("<4I", model)


def description(model: bytes) -> range:
    return range(HEADER_BYTES, HEADER_BYTES + words(model)[2])


def patched(model: bytes, at: int, value: int) -> bytes:
    return model[:at] + struct.pack("<I", value & 0xFFFFFFFF) + model[at + 4 :]


def replaced(model: bytes, text: bytes, by: bytes) -> bytes:
    assert len(text) == len(by)
    assert text in model
    return model.replace(text, by, 1)


def judged(place: Place, folder: Path, model: bytes, *options: str, **env: str) -> Answer:
    path = folder / "model.bmodel"
    path.write_bytes(model)
    return place.attempt(path, *options, env=env)


def test_a_sound_model_runs(native: Built, cache: Workspace, tmp_path: Path) -> None:
    assert judged(stand_in(native, cache), tmp_path, AFFINE) == Answer(OK, "", 0)


FLATBUFFER, DATA = words(AFFINE)[2:]


@pytest.mark.parametrize(
    ("model", "code", "says"),
    [
        (b"", CORRUPT, "is no bmodel: 0 bytes, its header alone has 64"),
        (AFFINE[:63], CORRUPT, "is no bmodel: 63 bytes"),
        (b"\x7fELF" + AFFINE[4:], CORRUPT, "it begins with 0x464C457F, expected 0xFF55AAEE"),
        (AFFINE[:-1], CORRUPT, f"has {len(AFFINE) - 1} bytes, but its header says 64 + {FLATBUFFER} + {DATA}"),
        (AFFINE + b"\0", CORRUPT, f"has {len(AFFINE) + 1} bytes, but its header says"),
        (patched(AFFINE, 4, 63), CORRUPT, "its header says that it has 63 bytes, expected 64"),
        (patched(AFFINE, 4, 80), UNSUPPORTED, "its header has 80 bytes, expected 64: it is encrypted"),
        (patched(AFFINE, 8, FLATBUFFER + 1), CORRUPT, "it is cut off, or has changed"),
        (patched(AFFINE, 8, 0xFFFFFFFF), CORRUPT, "it is cut off, or has changed"),
        (patched(patched(AFFINE, 8, 0), 12, FLATBUFFER + DATA), CORRUPT, "root: 0 bytes are too few"),
        (patched(patched(AFFINE, 8, FLATBUFFER + DATA), 12, 0), CORRUPT, "but the data has 0"),
        (patched(AFFINE, 16, 1), CORRUPT, "bytes after the sizes that ought to be zero"),
        (patched(AFFINE, HEADER_BYTES, 0xFFFFFFF0), CORRUPT, "root: the table is not where it is said to be"),
        (patched(AFFINE, HEADER_BYTES, FLATBUFFER - 4), CORRUPT, "root: "),
        (
            replaced(AFFINE, b"2.2+v1.6", b"3.2+v1.6"),
            UNSUPPORTED,
            "is a bmodel of version '3.2+v1.6-20240224', expected 2.x",
        ),
        (replaced(AFFINE, b"2.2+v1.6", b"2.2+v\0.6"), CORRUPT, "version: the text ends before its length"),
        (replaced(AFFINE, b"BM1684\0", b"BM1688\0"), UNSUPPORTED, "is compiled for BM1688, but the device is a BM1684"),
        (replaced(AFFINE, b"BM1684\0", b"BM1684X"), CORRUPT, "chip: the text has no end"),
        (replaced(AFFINE, b"BM1684", b"ACME14"), UNSUPPORTED, "is compiled for ACME14"),
    ],
)
def test_what_is_wrong_is_told_by_kind(
    native: Built, cache: Workspace, tmp_path: Path, model: bytes, code: int, says: str
) -> None:
    answer = judged(stand_in(native, cache), tmp_path, model)
    assert (answer.code, answer.exit_code) == (code, 0)
    assert says in answer.text


def test_a_file_larger_than_memory_is_refused_by_its_header(native: Built, cache: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "model.bmodel"
    for head, size in ((AFFINE[:64], 8 << 40), (patched(patched(AFFINE, 8, 0xFFFFFFFF), 12, 0xFFFFFFFF)[:64], 8 << 40)):
        with path.open("wb") as file:
            file.write(head)
            file.truncate(size)
        answer = stand_in(native, cache).attempt(path)
        assert (answer.code, answer.exit_code) == (CORRUPT, 0)
        assert f"has {size} bytes, but its header says" in answer.text


def with_networks_shared(count: int, name: bytes) -> bytes:
    """A model whose list of networks names one of them `count` times: only its name is there."""
    head_bytes, list_bytes, text_bytes = 44, 4 + 4 * count, 8
    list_at = head_bytes + text_bytes
    network_at = list_at + list_bytes + 8
    parts = [
        struct.pack("<I7H2x", 20, 14, 24, 4, 8, 12, 16, 20),  # root, and where its fields are
        struct.pack("<i5I", 16, *(head_bytes - at for at in (24, 28, 32, 36)), list_at - 40),
        struct.pack("<I4s", 3, b"2.2"),  # type, version, time and chip
        struct.pack("<I", count) + b"".join(struct.pack("<I", network_at - list_at - 4 - 4 * i) for i in range(count)),
        struct.pack("<3H2xiI", 6, 8, 4, 8, 4),
        struct.pack("<I", len(name)) + name + b"\0",
    ]
    tables = b"".join(parts)
    return struct.pack("<4I48x", words(AFFINE)[0], HEADER_BYTES, len(tables), 0) + tables


def test_a_walk_without_end_is_refused(native: Built, cache: Workspace, tmp_path: Path) -> None:
    """Whatever is shared costs the file nothing and the reader its time: 10 TB of text here."""
    place = stand_in(native, cache)
    short = judged(place, tmp_path, with_networks_shared(3, b"net"))
    assert "network 'net' is in the form of before 2019" in short.text  # the file itself is whole
    endless = judged(place, tmp_path, with_networks_shared(500_000, b"n" * 20_000_000))
    assert (endless.code, endless.exit_code) == (CORRUPT, 0)
    assert "net[0].name: a text of 20000000 bytes" in endless.text
    many = judged(place, tmp_path, with_networks_shared(1_000_001, b"net"))
    assert "more than a million tables" in many.text


def mutated(random_: random.Random, model: bytes, places: range) -> bytes:
    """One to four changes in `places`: a bit, a byte, a size, or something copied over something else."""
    bytes_ = bytearray(model)
    for _ in range(random_.randint(1, 4)):
        at = random_.choice(places)
        match random_.randrange(4):
            case 0:
                bytes_[at] ^= 1 << random_.randrange(8)
            case 1:
                bytes_[at] = random_.randrange(256)
            case 2:
                value = random_.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, random_.getrandbits(32)])
                bytes_[at : at + 4] = struct.pack("<I", value)[: len(bytes_) - at]
            case _:
                size = random_.randint(1, 32)
                source = random_.choice(places)
                bytes_[at : at + size] = bytes_[source : source + size][: len(bytes_) - at]
    return bytes(bytes_)


def test_300_damaged_models_are_refused_or_harmless(native: Built, cache: Workspace, tmp_path: Path) -> None:
    """Wherever the header or the description is hit: what the validator lets pass, a loader takes without harm."""
    place = stand_in(native, cache)
    random_ = random.Random(SEED)
    places = range(description(AFFINE).stop)
    models = [mutated(random_, AFFINE, places) for _ in range(MUTANTS)]

    def judge(number: int) -> Answer:
        path = tmp_path / f"{number}.bmodel"
        path.write_bytes(models[number])
        return place.attempt(path)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(judge, range(MUTANTS)))
    counts = Counter(answer.code for answer in answers)
    print(f"seed {SEED}: {dict(counts)}")
    assert {answer.exit_code for answer in answers} == {0}
    assert all(answer.text for answer in answers if answer.code != OK)
    assert counts[CORRUPT] > MUTANTS / 2


def test_every_byte_of_the_header_counts(native: Built, cache: Workspace, tmp_path: Path) -> None:
    place = stand_in(native, cache)
    for at in range(0, HEADER_BYTES, 3):
        damaged = bytearray(AFFINE)
        damaged[at] ^= 0x40
        answer = judged(place, tmp_path, bytes(damaged))
        assert (answer.code, answer.exit_code) in {(CORRUPT, 0), (UNSUPPORTED, 0)}, at


def test_weights_that_have_changed_anywhere_are_refused(native: Built, cache: Workspace, tmp_path: Path) -> None:
    """Nothing else would notice: the chip would run, and give other numbers."""
    random_ = random.Random(SEED)
    data = range(description(SMALL).stop, description(SMALL).stop + 40_000)  # the weights come first
    for _ in range(20):
        at = random_.choice(data)
        damaged = bytearray(SMALL)
        damaged[at] ^= 1 << random_.randrange(8)
        answer = judged(stand_in(native, cache), tmp_path, bytes(damaged))
        assert answer.code == CORRUPT
        assert answer.text == "network 'small', stage 0: its weights do not have the checksum that it states"


def test_what_is_no_file_is_told(native: Built, cache: Workspace, tmp_path: Path) -> None:
    place = stand_in(native, cache)
    assert place.attempt(tmp_path / "missing.bmodel").code == NOT_FOUND
    folder = place.attempt(tmp_path)
    assert (folder.code, folder.text) == (INVALID_ARGUMENT, "is not a file")


def test_damage_that_the_real_loader_dies_of_never_reaches_it(native: Built, cache: Workspace, tmp_path: Path) -> None:
    """On the maker's own library; without the validator each of these ends the process with 255 or a signal."""
    place = simulator(native, "bm1684x", cache)
    whole = small_model("affine", "bm1684x", cache)
    random_ = random.Random(SEED)
    for model in (
        whole[: len(whole) // 2],
        b"\0" * 4096,
        *(mutated(random_, whole, description(whole)) for _ in range(8)),
    ):
        answer = judged(place, tmp_path, model)
        assert answer.exit_code == 0, answer
        assert answer.code != OK or model != whole


def test_a_piece_without_inputs_is_refused(native: Built, cache: Workspace, tmp_path: Path) -> None:
    """The real loader dies of it with SIGSEGV: found with a mutant whose list of fields had been shortened."""
    fields = AFFINE.index(struct.pack("<2H", 28, 24), description(AFFINE).start)  # of the only sub-network
    answer = judged(stand_in(native, cache), tmp_path, AFFINE[:fields] + struct.pack("<H", 8) + AFFINE[fields + 2 :])
    assert answer.code == CORRUPT
    assert answer.text == "network 'affine', stage 0: its sub-network 0 has no inputs or no outputs"


def test_what_the_real_loader_dies_of_all_the_same_ends_a_trial_and_not_the_runner(
    native: Built, cache: Workspace, clips: Path, tmp_path: Path
) -> None:
    """An address for the input that the chip does not have: sound as a description, and fatal."""
    place = simulator(native, "bm1684", cache)
    address = struct.pack("<2Q", 16, 0x105100000)  # of the input: size and device address
    at = AFFINE.rindex(address, 0, description(AFFINE).stop) + 8
    model = tmp_path / "model.bmodel"
    model.write_bytes(AFFINE[:at] + struct.pack("<Q", 0x7105100000) + AFFINE[at + 8 :])
    assert place.attempt(model).exit_code == 255

    (tmp_path / "model.yaml").write_text(
        "model: model.bmodel\ninput: {width_px: 4, height_px: 4}\nhead: {kind: yolov8}\nlabels: [thing]\n"
    )
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(f"source: {{uri: {clips / 'bikes.mp4'}}}\nmodel: model.yaml\nbackend: sophon\n")
    ended = place.call(place.tree / "bin" / "edgecore", "run", pipeline, "--backends", place.modules)
    assert ended.code == 6, ended.stderr
    assert "ended it with exit status 255" in ended.stderr
    assert ended.stdout == ""
