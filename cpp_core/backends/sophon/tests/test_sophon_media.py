"""Pictures on the chip: decoded by JPU and VPU, made ready by VPP and TPU, on stand-ins for libbmcv and libbmvideo.

The stand-ins end the process where a rule of the maker's is broken, or anything is not given back. They do the picture
work in floating point, in lines of their own: proven is that the right things are asked for, not how VPP rounds.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from sophon_models import HERE
from sophon_runs import CORRUPT, NOT_FOUND, PICTURE_MEMORY, SDK, UNSUPPORTED, Place, stand_in

from edgebuild.config.yaml import load_yaml
from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built

SMALL = HERE / "parts" / "small-bm1684.bmodel"
FUNCTIONS = load_yaml(HERE.parent / "abi" / "functions.yaml", dict[str, list[str]])
NEWER = {"EDGECORE_BMVIDEO": "libbmvideo-24.04.so.0"}
BM1688 = {"SOPHON_STUB_CHIP": "0x1686a200"}
ROUNDING = 1.01  # levels: both sides round to whole ones
USUAL = "host nv12 bt601 limited"

# Calls of which a failure ends one of the cases, with the case and the option.
FAILING = {
    "bm_image_create": (USUAL, "vpp"),
    "bm_image_attach": (USUAL, "vpp"),
    "bmcv_image_vpp_basic": (USUAL, "vpp"),
    "bmcv_image_convert_to": (USUAL, "vpp"),
    "bm_memcpy_s2d_partial": (USUAL, "vpp"),
    PICTURE_MEMORY: (USUAL, "vpp"),
    "bmcv_image_jpeg_dec": ("jpeg i420", "auto"),
    "bm_image_get_stride": ("jpeg i420", "auto"),
    "bm_image_get_device_mem": ("jpeg i420", "auto"),
    "bm_memcpy_d2s_partial": ("jpeg i420", "auto"),
}
CANNOT_FAIL = {"bm_image_destroy"}
OLD_VIDEO = ("BMVidDecCreate", "BMVidDecDecode", "BMVidDecFlush", "BMVidGetStatus")
NEW_VIDEO = ("bmvpu_dec_create", "bmvpu_dec_decode", "bmvpu_dec_flush", "bmvpu_dec_get_status")
VIDEO_CANNOT_FAIL = {  # none that is ready is no failure
    "BMVidDecDelete",
    "BMVidDecGetOutput",
    "BMVidDecClearOutput",
    "bmvpu_dec_delete",
    "bmvpu_dec_get_output",
    "bmvpu_dec_clear_output",
}


def named(library: str) -> set[str]:
    return {name.rstrip("?") for name in FUNCTIONS[library]}


def levels(told: str) -> float:
    """By how many of 255 levels the input differs from the CPU's."""
    return float(re.fullmatch(r"levels (\S+) to_device .*", told)[1])  # type: ignore[index]


def copies(told: str) -> tuple[int, ...]:
    """To the device and back, number and bytes, from the picture to the input of the run."""
    return tuple(map(int, re.fullmatch(r".* to_device (\d+) (\d+) to_host (\d+) (\d+)", told).groups()))  # type: ignore[union-attr]


@pytest.fixture(params=["pcie", "soc"])
def env(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"SOPHON_STUB_SOC": "1"} if request.param == "soc" else {}


def test_every_function_that_is_called_fails_once_below() -> None:
    assert named("libbmcv.so.0") <= FAILING.keys() | CANNOT_FAIL
    assert named("libbmvideo.so*") == {*OLD_VIDEO, *NEW_VIDEO, *VIDEO_CANNOT_FAIL}
    assert named("libbmvd.so*") == {name for name in named("libbmvideo.so*") if name.startswith("bmvpu")}


def test_host_pictures_are_made_ready_by_the_chip_where_that_is_asked_for(
    native: Built, cache: Workspace, tmp_path: Path, env: dict[str, str]
) -> None:
    told = stand_in(native, cache).media(tmp_path, SMALL, "vpp", env=env)
    made = {name: text for name, text in told.items() if name.startswith("host") and not text.startswith("error")}
    assert len(made) == 4 * 4 + 4  # layouts, colours; order, sizes
    assert max(map(levels, made.values())) <= ROUNDING
    assert {copies(text)[0] for text in made.values()} == {1}
    assert copies(made[USUAL]) == (1, 128 * 96 * 3 // 2, 0, 0)
    refused = {name: text for name, text in told.items() if name.startswith("host") and name not in made}
    assert all(text.startswith(f"error {UNSUPPORTED} ") for text in refused.values())
    for name, says in (
        ("host i422 bt601 full", "not of shifts 1 and 0"),
        ("host odd", "even sizes, not of 65x49"),
        ("host tiny", "not of 14x14"),
        ("host wide", "not 32x1 in 32x32"),
        ("host nhwc", "NCHW inputs alone"),
    ):
        assert says in refused[name]


def test_from_a_jpeg_to_the_models_input_no_picture_is_copied(
    native: Built, cache: Workspace, tmp_path: Path, env: dict[str, str]
) -> None:
    """The program compares what was decoded with libjpeg-turbo's, to the bit, and what is run with what was made."""
    told = stand_in(native, cache).media(tmp_path, SMALL, env=env)
    for name in ("jpeg i420", "jpeg i444", "jpeg gray", "source"):
        assert levels(told[name]) <= ROUNDING, name
        assert copies(told[name]) == (0, 0, 0, 0), name
    assert "not of shifts 1 and 0" in told["jpeg i422"]
    assert "not of 97x61" in told["jpeg odd"]
    assert told["jpeg progressive"].startswith(f"error {UNSUPPORTED} decoder: JPEG of a kind that the chip does not")
    for name in ("jpeg truncated", "jpeg half"):
        assert told[name].startswith(f"error {SDK} decoder: bmcv_image_jpeg_dec: status 2"), name
    assert told["jpeg no-jpeg"] == f"error {CORRUPT} decoder: damaged JPEG: there is no frame header in it"


def test_host_pictures_are_the_cpus_unless_asked_otherwise(native: Built, cache: Workspace, tmp_path: Path) -> None:
    place = stand_in(native, cache)
    assert "the option pictures: vpp gives them to VPP" in place.media(tmp_path, SMALL)[USUAL]
    never = place.media(tmp_path, SMALL, "cpu")
    assert {never[USUAL], never["jpeg i420"]} == {
        f"error {UNSUPPORTED} preprocessing of frame 0: option pictures: the CPU makes them ready"
    }


@pytest.mark.parametrize("name", FAILING)
def test_a_call_that_fails_is_named_and_nothing_is_left_behind(
    native: Built, cache: Workspace, tmp_path: Path, name: str
) -> None:
    case, pictures = FAILING[name]
    told = stand_in(native, cache).media(tmp_path, SMALL, pictures, env={"SOPHON_STUB_FAIL": name})
    assert re.match(rf"error {SDK} .*{name}: status \d", told[case])


@pytest.mark.parametrize(
    ("dialect", "codec"),
    [({}, "h264"), ({}, "h265"), (NEWER, "h264"), (BM1688, "h265")],
    ids=["to 23.10", "to 23.10, H.265", "from 24.04", "BM1688"],
)
def test_video_comes_whole_and_in_order_and_pictures_may_be_kept(
    native: Built, cache: Workspace, tmp_path: Path, dialect: dict[str, str], codec: str
) -> None:
    """The program compares every picture with what went in, its time and its colours. Ahead: the engine has no room for
    an access unit before its pictures are taken, as when a large one follows small ones.
    """
    told = stand_in(native, cache).media(tmp_path, codec, env=dialect)
    assert {told[name] for name in ("video", "kept 7", "ahead")} == {"pictures 40"}
    assert told["empty"] == "pictures 0"
    assert told["deep"] == f"error {UNSUPPORTED} decoder: video of 96x64 with 10 bits a sample is not supported"
    assert told["bt2020"] == f"error {UNSUPPORTED} decoder: video with colour matrix 9 is not supported"


@pytest.mark.parametrize("dialect", [{}, NEWER], ids=["to 23.10", "from 24.04"])
def test_who_keeps_more_pictures_than_the_engine_has_room_for_is_told(
    native: Built, cache: Workspace, tmp_path: Path, dialect: dict[str, str]
) -> None:
    told = stand_in(native, cache).media(tmp_path, "h264", "greedy", env=dialect)
    assert told["greedy"].startswith(
        f"error {SDK} decoder: the video engine has done nothing for two seconds; 8 of its "
    )


@pytest.mark.parametrize(
    ("name", "dialect"),
    [(name, {}) for name in OLD_VIDEO] + [(name, box) for name in NEW_VIDEO for box in (NEWER, BM1688)],
)
def test_a_call_of_the_video_engine_that_fails_is_named(
    native: Built, cache: Workspace, tmp_path: Path, name: str, dialect: dict[str, str]
) -> None:
    place = stand_in(native, cache)
    env = {**dialect, "SOPHON_STUB_FAIL": name}
    if name.lower().endswith("create"):
        ended = place.call(place.tree / "bin/edgecore-sophon-media", place.modules, tmp_path, "h264", env=env)
        assert (ended.code, ended.stderr) == (1, f"error {SDK} backend 'sophon': {name}: -1\n")
        return
    told = place.media(tmp_path, "h264", env=env)
    assert told["video"].startswith(f"error {SDK} decoder: {name}: ")


@pytest.mark.parametrize(("library", "what"), [("libbmcv.so.0", SMALL), ("libbmvideo.so.0", "h264")])
def test_without_a_library_it_is_named_with_what_then_happens(
    native: Built, cache: Workspace, tmp_path: Path, library: str, what: str | Path
) -> None:
    """The model runs all the same; who asks for VPP by name is refused."""
    whole = stand_in(native, cache)
    some = tmp_path / "some"
    shutil.copytree(whole.libraries, some, ignore=shutil.ignore_patterns(library, "*.map"))
    place = Place(whole.tree, whole.modules, some)
    program = place.tree / "bin/edgecore-sophon-media"
    ended = place.call(program, place.modules, tmp_path, what)
    assert ended.code == 1
    plain = library.removesuffix(".so.0")
    assert ended.stderr.startswith(f"error {NOT_FOUND} ")
    assert f"{plain} cannot be opened, and without it the CPU decodes" in ended.stderr
    assert place.attempt(SMALL).code == 0
    asked = place.attempt(SMALL, "pictures", "vpp")
    assert (asked.code == 0) == (library != "libbmcv.so.0")
