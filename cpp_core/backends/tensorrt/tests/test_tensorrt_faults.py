"""Every call of the backend into TensorRT and the driver fails once: a typed error, no crash, nothing left behind, no
rule broken on the way out.

The stand-in forks at each call, and the call fails in the child. EDGEBUILD_LONG=1 takes every release on both
architectures; by default those are the oldest and the newest interface on x86-64, and 10.3 under emulation.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from tensorrt_boxes import RELEASES, V8_0, V10_3, V10_15, Box, Release, Told, describe_faces

from edgebuild.workspace import Workspace
from tests import data

ALL = bool(os.environ.get("EDGEBUILD_LONG"))
RUN = "--test-case=y = 2*"  # opens a model and runs it three times
TYPED = (1, 3, 6)  # exit codes: failed, not there or not supported, a corrupt model (when it cannot be read)
INJECTED = "a failure that the stand-in injected"

# What gives back: nobody is left to tell of a failure, and the run before was right.
GIVING_BACK = (
    "cuCtxPopCurrent",
    "cuDevicePrimaryCtxRelease",
    "cuEventDestroy",
    "cuMemFree",
    "cuMemFreeHost",
    "cuModuleUnload",
    "cuStreamDestroy",
)
# What giving back begins with: after the last call whose failure was told.
BEFORE_GIVING_BACK = ("cuCtxPushCurrent", "cuStreamSynchronize")


@dataclass(frozen=True)
class Fault:
    """is_told: by an error and the exit code."""

    number: int
    call: str
    is_told: bool


def judge(told: Told, number: int) -> Fault:
    """Raises unless the process ended in good order."""
    assert len(told.accounts) == 1, f"call {number}: exit {told.ended.code}, and no account\n{told.words}"
    (account,) = told.accounts
    place = f"call {number}, {account.failed}"
    assert account.at == number, place
    assert account.is_settled(), f"{place}: {account}\n{told.words}"
    if told.ended.code != 0:
        assert account.failed, told.words
        assert told.ended.code in TYPED, f"{place}: exit {told.ended.code}\n{told.words}"
        assert INJECTED in told.words, f"{place}: not told why\n{told.words}"
    return Fault(number, account.failed, told.ended.code != 0)


def judge_each(told: Told, quiet: tuple[str, ...] = ()) -> list[Fault]:
    """All calls of a program, in order, each of which failed once. quiet: whose failure nobody need tell, beside those
    that give back.
    """
    assert judge(told, 0) == Fault(0, "", False)
    faults = [judge(branch, number) for number, branch in enumerate(told.branches, 1)]
    assert len(faults) == told.accounts[0].calls
    last_told = max(fault.number for fault in faults if fault.is_told)
    for fault in faults:
        is_late = fault.call in BEFORE_GIVING_BACK and fault.number > last_told
        assert fault.is_told or is_late or fault.call in (*GIVING_BACK, *quiet), f"nobody noticed: {fault}"
    return faults


def fail_each(box: Box, release: Release, folder: Path, *argv: str | Path, quiet: tuple[str, ...] = ()) -> list[Fault]:
    """argv: a program of the product; nothing: the contract suite's RUN."""
    begin = time.monotonic()
    told = box.run(release, folder, *argv, fail="each") if argv else box.contract(release, folder, RUN, fail="each")
    faults = judge_each(told, quiet)
    functions = {fault.call for fault in faults}
    print(
        f"TensorRT {release}, {box.spec.arch.name}: {len(faults)} calls of {len(functions)} functions failed, "
        f"one in each run; {time.monotonic() - begin:.0f} s"
    )
    return faults


def check_the_calls_of_a_model(faults: list[Fault], release: Release) -> None:
    enqueue = "enqueueV2" if release == V8_0 else "enqueueV3"
    functions = {"cuInit", "createInferRuntime", "deserializeCudaEngine", "createExecutionContext", enqueue}
    assert functions | {"cuMemHostAlloc", "cuStreamSynchronize"} <= {fault.call for fault in faults}


@pytest.mark.parametrize("release", RELEASES if ALL else (V8_0, V10_15), ids=str)
def test_every_call_may_fail(server: Box, release: Release, tmp_path: Path) -> None:
    faults = fail_each(server, release, tmp_path)
    check_the_calls_of_a_model(faults, release)
    assert {"cuMemAlloc", "cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync"} <= {fault.call for fault in faults}
    for fault in faults[::40]:  # a process that was begun for it ends as the branch did
        assert judge(server.contract(release, tmp_path, RUN, fail=fault.number), fault.number) == fault


@pytest.mark.parametrize("release", RELEASES if ALL else (V10_3,), ids=str)
def test_every_call_may_fail_on_arm64(board: Box, release: Release, tmp_path: Path) -> None:
    check_the_calls_of_a_model(fail_each(board, release, tmp_path), release)


def fail_each_for_a_picture(box: Box, release: Release, folder: Path, cache: Workspace) -> set[str]:
    """The runner, with kernels that make the input. The smallest model will do: what is called is the same."""
    model = data.provide_face_model(cache, width_px=32, height_px=32) / "centerface.onnx"
    pipeline = describe_faces(model, data.provide_videos(cache) / "bikes.mp4", folder, release, frames=(32,))
    functions = {fault.call for fault in fail_each(box, release, folder, "bin/edgecore", "run", pipeline)}
    assert {"cuModuleLoadData", "cuModuleGetFunction", "cuLaunchKernel"} <= functions
    return functions


@pytest.mark.parametrize("release", RELEASES if ALL else (V10_15,), ids=str)
def test_every_call_for_a_picture_may_fail(server: Box, release: Release, cache: Workspace, tmp_path: Path) -> None:
    assert "cuMemcpyHtoDAsync" in fail_each_for_a_picture(server, release, tmp_path, cache)
