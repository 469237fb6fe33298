"""Every call of the backend into TensorRT and the driver fails once: a typed error, no crash, nothing left behind, no
rule broken on the way out.

EDGEBUILD_LONG=1 fails every call of every release, on arm64 too; by default those of the oldest and the newest
interface on x86-64, every 10th with pictures made ready on the GPU, and every 20th under emulation.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from tensorrt_boxes import RELEASES, V8_0, V8_5, V10_3, V10_15, Box, Release, Told, describe_faces

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
    """call: "" where there are not so many. is_told: by an error and the exit code."""

    number: int
    call: str
    is_told: bool


def judge(told: Told, number: int) -> Fault:
    """Raises unless the process ended in good order."""
    assert len(told.accounts) == 1, f"call {number}: the process did not end in good order\n{told.words}"
    (account,) = told.accounts
    place = f"call {number}, {account.failed}"
    assert account.is_settled(), f"{place}: {account}\n{told.words}"
    if told.ended.code != 0:
        assert account.failed, told.words
        assert told.ended.code in TYPED, f"{place}: exit {told.ended.code}\n{told.words}"
        assert INJECTED in told.words, f"{place}: not told why\n{told.words}"
    return Fault(number, account.failed, told.ended.code != 0)


def fail_calls(run: Callable[[int], Told], *, stride: int = 1, workers: int = 2) -> list[str]:
    """The calls that failed, in order, until a run makes no more of them. run: with this call failing; 0: none."""
    assert judge(run(0), 0) == Fault(0, "", False)
    faults: list[Fault] = []
    with ThreadPoolExecutor(workers) as pool:
        for first in count(1, stride * workers):
            numbers = range(first, first + stride * workers, stride)
            found = [judge(each, number) for each, number in zip(pool.map(run, numbers), numbers, strict=True)]
            faults += [fault for fault in found if fault.call]
            if not all(fault.call for fault in found):
                break
    last_told = max(fault.number for fault in faults if fault.is_told)
    for fault in faults:
        is_late = fault.call in BEFORE_GIVING_BACK and fault.number > last_told
        assert fault.is_told or is_late or fault.call in GIVING_BACK, f"nobody noticed: {fault}"
    return [fault.call for fault in faults]


@pytest.mark.parametrize("release", RELEASES if ALL else (V8_0, V10_15), ids=str)
def test_every_call_may_fail(server: Box, release: Release, tmp_path: Path) -> None:
    failed = fail_calls(lambda number: server.contract(release, tmp_path, RUN, fail=number))
    print(f"TensorRT {release}: {len(failed)} calls of {len(set(failed))} functions failed, one in each run")
    enqueue = "enqueueV2" if release == V8_0 else "enqueueV3"
    assert {"cuInit", "createInferRuntime", "deserializeCudaEngine", "createExecutionContext", enqueue} <= set(failed)
    assert {"cuMemAlloc", "cuMemHostAlloc", "cuStreamSynchronize", "cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync"} <= set(
        failed
    )


@pytest.mark.parametrize("release", [V10_3, V8_5] if ALL else [V10_3], ids=str)
def test_calls_may_fail_on_arm64(release: Release, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    box: Box = request.getfixturevalue("orin" if release == V10_3 else "xavier")
    failed = fail_calls(lambda number: box.contract(release, tmp_path, RUN, fail=number), stride=1 if ALL else 20)
    assert len(failed) >= 3


def test_every_call_for_a_picture_may_fail(server: Box, cache: Workspace, tmp_path: Path) -> None:
    """The runner, with kernels that make the input; the rest of what it calls is as above."""
    model = data.provide_face_model(cache, width_px=192, height_px=128) / "centerface.onnx"
    pipeline = describe_faces(model, data.provide_videos(cache) / "bikes.mp4", tmp_path, V10_15, frames=(32,))

    def run(number: int) -> Told:
        return server.run(V10_15, tmp_path, "bin/edgecore", "run", pipeline, fail=number)

    failed = fail_calls(run, stride=1 if ALL else 10)
    if ALL:
        assert {"cuModuleLoadData", "cuModuleGetFunction", "cuLaunchKernel"} <= set(failed)
    assert len(failed) > 20
