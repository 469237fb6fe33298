"""The module and its driver: every call that can fail fails once, and nothing is left behind."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from amlogic_trial import NOT_FOUND, OK, SDK, UNSUPPORTED, attempt, module_of, stand_in_of

from edgebuild.config.yaml import load_yaml
from tests.e2e.fixtures import Built

BACKEND = Path(__file__).parents[1]
AFFINE = BACKEND / "tests/affine.nb"
FUNCTIONS = load_yaml(BACKEND / "abi/functions.yaml", dict[str, list[str]])["libOpenVX.so.1"]

# What cannot fail in a way that matters: releases, and questions whose answer has a default.
HARMLESS = {
    "vxReleaseContext",
    "vxReleaseGraph",
    "vxReleaseNode",
    "vxReleaseParameter",
    "vxReleaseTensor",
    "vxRemoveKernel",
}
HARMLESS |= {"vxQueryContext", "vxQueryHardwareCaps", "vxGetStatus"}
# Calls of one attempt: the device is asked first, then two slots are opened, each with two parameters and two tensors,
# then one run maps an input and an output.
CALLS = {
    "vxCreateContext": 2,
    "vxCreateTensor2": 4,
    "vxGetParameterByIndex": 4,
    "vxQueryParameter": 8,
    "vxSetParameterByIndex": 4,
    "vxScheduleGraph": 1,
    "vxWaitGraph": 1,
    "vxMapTensorPatch": 2,
    "vxUnmapTensorPatch": 2,
}
IN_THE_RUN = {"vxScheduleGraph", "vxWaitGraph", "vxMapTensorPatch", "vxUnmapTensorPatch"}
FAILURES = [(name, number) for name in FUNCTIONS if name not in HARMLESS for number in range(1, CALLS.get(name, 2) + 1)]


@pytest.mark.parametrize(("name", "number"), FAILURES)
def test_a_call_that_fails_is_named_and_everything_is_released(native: Built, name: str, number: int) -> None:
    answer = attempt(native, AFFINE, env={"EDGECORE_STAND_IN_FAIL": f"{name}:{number}"})
    assert answer.stderr == ""  # where the stand-in would say what was left
    if name in IN_THE_RUN:
        assert answer.code == OK  # edgecore-try runs the model, too, but tells of its opening alone
    elif (name, number) == ("vxCreateContext", 1):
        assert answer.code == NOT_FOUND
        assert answer.text.startswith(
            "OpenVX without a device: vxCreateContext gives no context; load the kernel module galcore"
        )
    else:
        assert answer.code == SDK
        assert answer.text.startswith(name)


@pytest.mark.parametrize("name", sorted(IN_THE_RUN))
def test_a_call_that_fails_in_a_run_is_named(native: Built, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").write_bytes(bytes(16))
    program = native.tree / "bin/edgecore-tensors"
    ended = subprocess.run(
        [program, module_of(native), AFFINE, tmp_path, tmp_path / "in"],
        env={"LD_LIBRARY_PATH": str(stand_in_of(native)), "EDGECORE_STAND_IN_FAIL": name},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert f"code {SDK}: {name}: -" in ended.stderr


def test_one_call_more_would_not_happen(native: Built) -> None:
    """Else FAILURES would be too short to be every call."""
    for name, count in {name: CALLS.get(name, 2) for name, _ in FAILURES}.items():
        answer = attempt(native, AFFINE, env={"EDGECORE_STAND_IN_FAIL": f"{name}:{count + 1}"})
        assert (answer.code, answer.text, answer.stderr) == (OK, "", ""), name


def test_a_missing_driver_is_named_with_the_loaders_words(native: Built) -> None:
    answer = attempt(native, AFFINE, env={"LD_LIBRARY_PATH": ""})
    assert answer.code == NOT_FOUND
    assert answer.text.startswith("OpenVX cannot be opened: libOpenVX.so.1: cannot open shared object file")
    assert "LD_LIBRARY_PATH" in answer.text


def test_a_driver_that_lacks_a_function_is_too_old(native: Built, tmp_path: Path) -> None:
    """The stand-in with one name spoilt: the bytes of a symbol's name are found in its string table."""
    library = tmp_path / "libOpenVX.so.1"
    shutil.copy(stand_in_of(native) / "libOpenVX.so.1", library)
    library.write_bytes(library.read_bytes().replace(b"\0vxMapTensorPatch\0", b"\0vxMapTensorPotch\0"))
    answer = attempt(native, AFFINE, env={"LD_LIBRARY_PATH": str(tmp_path)})
    assert answer.code == UNSUPPORTED
    assert answer.text.startswith("libOpenVX.so.1 exports no vxMapTensorPatch; a driver with OpenVX 1.3 is needed")


def test_a_driver_of_the_real_kind_without_its_device_is_not_called(native: Built, tmp_path: Path) -> None:
    """Its HAL, libGAL, would end the process. A library that calls itself so is enough to be careful."""
    assert not Path("/dev/galcore").exists()
    hal = tmp_path / "libGAL.so"
    stand_in = (stand_in_of(native) / "libOpenVX.so.1").read_bytes()
    hal.write_bytes(stand_in.replace(b"\0libOpenVX.so.1\0", b"\0libGAL.so\0\0\0\0\0\0"))
    answer = attempt(native, AFFINE, env={"LD_PRELOAD": str(hal)})
    assert answer.code == NOT_FOUND
    assert answer.text == (
        "OpenVX without a device: /dev/galcore: No such file or directory; load the kernel module galcore, or give the "
        "container --device /dev/galcore"
    )


def test_the_functions_of_the_manifest_are_the_ones_that_are_looked_up() -> None:
    declared = re.findall(r"\(\*(vx\w+)\)\(", (BACKEND / "abi/openvx.h").read_text())
    looked_up = re.findall(r"EDGECORE_SYMBOL\((vx\w+)\)", (BACKEND / "runtime.cc").read_text())
    assert declared == FUNCTIONS
    assert sorted(looked_up) == sorted(FUNCTIONS)


def test_the_committed_model_is_what_its_script_writes() -> None:
    from amlogic_affine import affine_model

    assert AFFINE.read_bytes() == affine_model()


def test_the_module_needs_nothing_of_the_vendor(native: Built) -> None:
    read = subprocess.run(["readelf", "-d", module_of(native)], capture_output=True, text=True, check=True)
    needed = re.findall(r"NEEDED.*\[(.+)]", read.stdout)
    assert {name for name in needed if not re.match(r"lib(c|m|dl|pthread)\.so|ld-linux", name)} == set()
