"""The module and its two libraries, on the stand-in: what is missing, what fails, what is left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sophon_models import HERE, small_model
from sophon_runs import (
    INVALID_ARGUMENT,
    NOT_FOUND,
    OK,
    PICTURE_MEMORY,
    SDK,
    UNSUPPORTED,
    Place,
    modules_of,
    stand_in,
)

from edgebuild.config.yaml import load_yaml
from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built

AFFINE = HERE / "affine.bmodel"
ROW = np.float32([[-1, 0, 0.5, 8]])
FUNCTIONS = load_yaml(HERE.parent / "abi" / "functions.yaml", dict[str, list[str]])
SOC = {"SOPHON_STUB_SOC": "1"}
CORES = {"SOPHON_STUB_CHIP": "0x1686a200"}  # BM1688
# Calls of which a failure ends the opening of a model, with the environment in which they are made.
OPENING = {
    "bm_dev_getcount": {},
    "bm_dev_request": {},
    "bm_get_chipid": {},
    "bm_get_misc_info": {},
    "bmrt_create": {},
    "bmrt_load_bmodel_data": {},
    "bmrt_get_network_info": {},
    "bm_malloc_device_byte": {},
    "bm_mem_mmap_device_mem": SOC,
}
RUNNING = {
    "bm_memcpy_s2d_partial": {},
    "bmrt_launch_tensor_ex": {},
    "bm_handle_sync": {},
    "bm_memcpy_d2s_partial": {},
    "bm_mem_flush_device_mem": SOC,
    "bm_mem_invalidate_device_mem": SOC,
}
ON_CORES = {"bmrt_launch_tensor_multi_cores", "bm_handle_sync_from_core"}
CANNOT_FAIL = {"bm_dev_free", "bm_free_device", "bm_mem_unmap_device_mem", "bmrt_destroy"}


def test_every_function_that_is_called_fails_once_below_or_among_the_pictures() -> None:
    named = {name.rstrip("?") for library in ("libbmrt.so.1.0", "libbmlib.so.0") for name in FUNCTIONS[library]}
    assert named == OPENING.keys() | RUNNING.keys() | ON_CORES | CANNOT_FAIL | {PICTURE_MEMORY}


@pytest.mark.parametrize("name", OPENING)
def test_a_call_that_fails_while_a_model_is_opened_is_named(native: Built, cache: Workspace, name: str) -> None:
    """The stand-in ends the process when a device is given back with memory that is still taken."""
    answer = stand_in(native, cache).attempt(AFFINE, env={**OPENING[name], "SOPHON_STUB_FAIL": name})
    assert (answer.code, answer.exit_code) == (SDK, 0)
    assert answer.text.startswith(f"{name}: ")


@pytest.mark.parametrize("name", RUNNING)
def test_a_call_that_fails_in_a_run_is_named(native: Built, cache: Workspace, tmp_path: Path, name: str) -> None:
    with pytest.raises(AssertionError, match=rf"code {SDK}: {name.removesuffix('_ex')}"):
        stand_in(native, cache).run(AFFINE, tmp_path, ROW, env={**RUNNING[name], "SOPHON_STUB_FAIL": name})


@pytest.mark.parametrize("name", ON_CORES)
def test_a_call_that_fails_on_a_chip_of_several_cores_is_named(
    native: Built, cache: Workspace, tmp_path: Path, name: str
) -> None:
    model = tmp_path / "affine.bmodel"
    model.write_bytes(small_model("affine", "bm1688", cache))
    place = stand_in(native, cache)
    (run,) = place.run(model, tmp_path, ROW, env=CORES).runs
    assert run.popitem()[1].tolist() == (2 * ROW + 1).tolist()
    with pytest.raises(AssertionError, match=rf"code {SDK}: {name.removesuffix('_multi_cores')}"):
        place.run(model, tmp_path, ROW, env={**CORES, "SOPHON_STUB_FAIL": name})


def test_of_a_failure_to_wait_for_the_device_every_open_run_is_told(
    native: Built, cache: Workspace, tmp_path: Path
) -> None:
    """The device works through one queue: the run behind has not ended either."""
    with pytest.raises(
        AssertionError, match=rf"run 0: code {SDK}: bm_handle_sync: .*\n.*run 1: code {SDK}: bm_handle_sync: "
    ):
        stand_in(native, cache).run(AFFINE, tmp_path, ROW, ROW + 1, env={"SOPHON_STUB_FAIL": "bm_handle_sync"})


def test_behind_pcie_every_tensor_is_copied_once_and_counted(native: Built, cache: Workspace, tmp_path: Path) -> None:
    outputs = stand_in(native, cache).run(AFFINE, tmp_path, ROW, ROW + 1, ROW + 2)
    assert [run.popitem()[1].tolist() for run in outputs.runs] == [(2 * (ROW + i) + 1).tolist() for i in range(3)]
    assert outputs.copies == (3, 48, 3, 48)


def test_on_the_chip_itself_outputs_are_not_copied(native: Built, cache: Workspace, tmp_path: Path) -> None:
    outputs = stand_in(native, cache).run(AFFINE, tmp_path, ROW, ROW + 1, env=SOC)
    assert outputs.runs[1].popitem()[1].tolist() == (2 * (ROW + 1) + 1).tolist()
    assert outputs.copies == (2, 32, 0, 0)


@pytest.mark.parametrize("env", [{}, SOC], ids=["pcie", "soc"])
def test_the_contract_holds_on_the_stand_in(native: Built, cache: Workspace, env: dict[str, str]) -> None:
    ended = stand_in(native, cache).contract(HERE.parents[1], env=env)
    assert ended.code == 0, ended.stdout
    assert " 0 failed" in ended.stdout


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("network", "affine"), OK, ""),
        (("network", "other"), INVALID_ARGUMENT, "option network: no network named 'other'; known: affine"),
        (("pictures", "vpp"), OK, ""),
        (("pictures", "gpu"), INVALID_ARGUMENT, "option pictures: expected auto, vpp or cpu, found 'gpu'"),
        (("cores", "0"), UNSUPPORTED, "option cores: this chip or its runtime has one core"),
        (("cores", "0,"), INVALID_ARGUMENT, "option cores: expected core numbers as 0 or 0,1, found '0,'"),
        (("cores", "0,0"), INVALID_ARGUMENT, "found '0,0'"),
        (("cores", ""), INVALID_ARGUMENT, "found ''"),
        (("batch", "4"), INVALID_ARGUMENT, "no option named 'batch'; known: network, cores, pictures"),
    ],
)
def test_options_are_checked(native: Built, cache: Workspace, options: tuple[str, str], code: int, says: str) -> None:
    answer = stand_in(native, cache).attempt(AFFINE, *options)
    assert answer.code == code
    assert says in answer.text


def test_an_unknown_chip_is_told(native: Built, cache: Workspace) -> None:
    answer = stand_in(native, cache).attempt(AFFINE, env={"SOPHON_STUB_CHIP": "0x1682"})
    assert answer.code == UNSUPPORTED
    assert answer.text == "the device's chip 0x1682 is not known; models run on BM1684, BM1684X and BM1688"


def test_without_the_library_it_is_named_with_what_to_do(native: Built, cache: Workspace, tmp_path: Path) -> None:
    answer = Place(native.tree, modules_of(native, cache), tmp_path).attempt(AFFINE)
    assert answer.code == NOT_FOUND
    for word in ("libbmrt.so.1.0: cannot open shared object file", "run ldconfig", "EDGECORE_BMRT"):
        assert word in answer.text


def test_a_library_that_lacks_a_function_is_named_with_the_function(
    native: Built, cache: Workspace, tmp_path: Path
) -> None:
    """libbmlib alone, under the runtime's name."""
    shutil.copy(stand_in(native, cache).libraries / "libbmlib.so.0", tmp_path / "libbmrt.so.1.0")
    answer = Place(native.tree, modules_of(native, cache), tmp_path).attempt(AFFINE)
    assert answer.code == UNSUPPORTED
    assert "export no bmrt_create; a newer libsophon is needed" in answer.text
