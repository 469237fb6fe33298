"""Every call of the backend into TensorRT and the driver fails once: a typed error, no crash, nothing left behind, no
rule broken on the way out.

EDGEBUILD_LONG=1 fails every call of every release, on arm64 too; by default those of the oldest and the newest
interface on x86-64, and every 20th under emulation.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from tensorrt_boxes import RELEASES, V8_0, V8_5, V10_3, V10_15, Box, Release, Told

ALL = bool(os.environ.get("EDGEBUILD_LONG"))
RUN = "--test-case=y = 2*"  # opens a model and runs it three times
INJECTED = "a failure that the stand-in injected"

# What gives back: nobody is left to tell of a failure, and the run before was right. The context has to be made current
# for that, too.
GIVING_BACK = (
    "cuCtxPopCurrent",
    "cuCtxPushCurrent",
    "cuDevicePrimaryCtxRelease",
    "cuEventDestroy",
    "cuMemFree",
    "cuMemFreeHost",
    "cuModuleUnload",
    "cuStreamDestroy",
)


def check_fault(told: Told, number: int) -> str:
    """The call that failed; "" where there are not so many. Otherwise raises."""
    assert len(told.accounts) == 1, f"call {number}: the process did not end in good order\n{told.words}"
    (account,) = told.accounts
    place = f"call {number}, {account.failed}"
    assert account.is_settled(), f"{place}: {account}\n{told.words}"
    if not account.failed:
        assert told.ended.code == 0, told.words
    elif told.ended.code == 0:
        assert account.failed in GIVING_BACK, f"{place}: nobody noticed\n{told.words}"
    else:
        assert told.ended.code == 1, f"{place}: exit {told.ended.code}\n{told.words}"
        assert INJECTED in told.words, f"{place}: not told why\n{told.words}"
    return account.failed


def fail_calls(box: Box, release: Release, folder: Path, *, stride: int = 1, workers: int = 2) -> list[str]:
    """The calls that failed, in order, until a run makes no more of them."""
    box.contract(release, folder, RUN)  # writes the plan, before there are several
    failed: list[str] = []
    with ThreadPoolExecutor(workers) as pool:
        for first in count(1, stride * workers):
            numbers = range(first, first + stride * workers, stride)
            told = pool.map(lambda number: box.contract(release, folder, RUN, fail=number), numbers)
            names = [check_fault(each, number) for each, number in zip(told, numbers, strict=True)]
            failed += [name for name in names if name]
            if not all(names):
                return failed
    raise AssertionError("unreachable")


@pytest.mark.parametrize("release", RELEASES if ALL else (V8_0, V10_15), ids=str)
def test_every_call_may_fail(server: Box, release: Release, tmp_path: Path) -> None:
    failed = fail_calls(server, release, tmp_path)
    print(f"TensorRT {release}: {len(failed)} calls of {len(set(failed))} functions failed, one in each run")
    enqueue = "enqueueV2" if release == V8_0 else "enqueueV3"
    assert {"cuInit", "createInferRuntime", "deserializeCudaEngine", "createExecutionContext", enqueue} <= set(failed)
    assert {"cuMemAlloc", "cuMemHostAlloc", "cuStreamSynchronize", "cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync"} <= set(
        failed
    )


@pytest.mark.parametrize("release", [V10_3, V8_5] if ALL else [V10_3], ids=str)
def test_calls_may_fail_on_arm64(release: Release, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    box: Box = request.getfixturevalue("orin" if release == V10_3 else "xavier")
    assert len(fail_calls(box, release, tmp_path, stride=1 if ALL else 20)) >= 3
