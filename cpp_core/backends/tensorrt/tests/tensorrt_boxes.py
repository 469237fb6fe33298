"""Where the tests run TensorRT's backend against its stand-in: rows of both architectures, releases of TensorRT."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from make_plan import make_plan

from edgebuild.build.emulate import emulated_command
from edgebuild.build.sysroot import provide_sysroot
from edgebuild.config.targets import load_sysroot, load_target
from edgebuild.model.product import Sysroot
from edgebuild.model.target import TargetSpec
from edgebuild.workspace import Workspace
from tests.data import FACE_DESCRIPTION, FACE_HEIGHT_PX, FACE_WIDTH_PX
from tests.e2e.fixtures import Built
from tests.e2e.harness import BACKENDS, Ended, call

AFFINE = BACKENDS / "cpu" / "tests" / "affine.onnx"


@dataclass(frozen=True)
class Release:
    """One that the stand-in stands in for. folder: below share/edgecore/stubs/."""

    module: str
    folder: str
    number: tuple[int, int, int]

    def __str__(self) -> str:
        return ".".join(map(str, self.number))


V8_0 = Release("tensorrt8", "tensorrt-8.0", (8, 0, 1))
V8_5 = Release("tensorrt8", "tensorrt-8.5", (8, 5, 3))
V8_6 = Release("tensorrt8", "tensorrt8", (8, 6, 1))
V10_3 = Release("tensorrt10", "tensorrt-10.3", (10, 3, 0))
V10_15 = Release("tensorrt10", "tensorrt10", (10, 15, 1))
RELEASES = (V8_0, V8_5, V8_6, V10_3, V10_15)


@dataclass(frozen=True)
class Account:
    """What the stand-in counted in one process. at, failed: number and name of the call that was made to fail."""

    pid: int
    calls: int
    at: int
    failed: str
    alive: tuple[str, ...]
    broken: tuple[str, ...]

    def is_settled(self) -> bool:
        return not self.alive and not self.broken


@dataclass(frozen=True)
class Told:
    """How a program ended, and what its stand-ins say. branches: by the call that failed in each, the first first."""

    ended: Ended
    accounts: tuple[Account, ...]
    branches: tuple[Told, ...] = ()

    @property
    def words(self) -> str:
        return self.ended.stdout + self.ended.stderr


@dataclass(frozen=True)
class Box:
    """A row's product on this machine; root: of an emulated one."""

    spec: TargetSpec
    tree: Path
    root: Sysroot | None
    ws: Workspace

    @staticmethod
    def of(row: str, built: Built, ws: Workspace) -> Box:
        spec = load_target(row, ws)
        roots = spec.row.roots
        root = provide_sysroot(roots[0], *load_sysroot(roots[0], ws), ws=ws) if roots else None
        return Box(spec, built.tree, root, ws)

    def call(self, *argv: str | Path, env: Mapping[str, str], timeout_s: float = 300) -> Ended:
        command = emulated_command(self.spec.arch, self.spec.contract, self.root, argv, ws=self.ws, env=env)
        return call(*command.argv, timeout_s=timeout_s, env=command.environment())

    def run(
        self, release: Release, folder: Path, *argv: str | Path, fail: int | str = 0, integrated: bool | None = None
    ) -> Told:
        """A program of the product with the stand-in's libraries where the loader looks. folder: for the account.

        fail: the number of a call, or "each" in turn, which takes a program without threads.
        """
        report = folder / f"account-{fail}.jsonl"
        report.unlink(missing_ok=True)
        env = {
            "LD_LIBRARY_PATH": str(self.tree / "share/edgecore/stubs" / release.folder),
            "EDGECORE_STAND_IN_REPORT": str(report),
            "EDGECORE_STAND_IN_FAIL": str(fail),
        }
        if integrated is not None:
            env["EDGECORE_STAND_IN_INTEGRATED"] = str(int(integrated))
        return read_report(report, self.call(self.tree / argv[0], *argv[1:], env=env, timeout_s=1800))

    def contract(
        self, release: Release, folder: Path, *options: str, fail: int | str = 0, integrated: bool | None = None
    ) -> Told:
        """The contract suite on this release's module, with a plan of this release."""
        fixture = folder / "fixtures" / release.module / "tests"
        if not fixture.exists():
            fixture.mkdir(parents=True)
            (fixture / "affine.plan").write_bytes(make_plan(AFFINE.read_bytes(), release.number))
        suite = ("bin/edgecore-contract", self.tree / "lib/edgecore", folder / "fixtures", "--backends", release.module)
        return self.run(release, folder, *suite, *options, fail=fail, integrated=integrated)


def read_report(report: Path, ended: Ended) -> Told:
    """What the stand-ins wrote: an account of every process that ended in good order, how each branch ended."""
    lines = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    codes = {line["at"]: line["ended"] for line in lines if "ended" in line}
    accounts = [as_account(line) for line in lines if "ended" not in line]

    def branch(at: int) -> Told:
        words = report.with_name(f"{report.name}.{at}").read_text(errors="replace")
        return Told(Ended(codes[at], words, ""), tuple(account for account in accounts if account.at == at))

    own = tuple(account for account in accounts if account.at not in codes)
    return Told(ended, own, tuple(branch(at) for at in sorted(codes)))


def as_account(line: dict[str, Any]) -> Account:
    return Account(**{**line, "alive": tuple(line["alive"]), "broken": tuple(line["broken"])})


def describe_faces(model: Path, video: Path, folder: Path, release: Release | None, frames: tuple[int, ...]) -> Path:
    """A pipeline on the real video: of this release with a plan made of `model`, without one on the CPU.

    model: the described face model (centerface.yaml beside it), as tests.data provides it, whose height and width the
    folder's name may tell: "centerface-192x128-...".
    """
    content, name = model.read_bytes(), "face.onnx"
    if release is not None:
        content, name = make_plan(content, release.number), "face.plan"
    (folder / name).write_bytes(content)
    shutil.copyfile(video, folder / video.name)
    size = re.search(r"-(\d+)x(\d+)-", model.parent.name)
    width, height = size.groups() if size else (str(FACE_WIDTH_PX), str(FACE_HEIGHT_PX))
    description = FACE_DESCRIPTION.read_text()
    for old, new in (
        ("model: centerface.onnx", f"model: {name}\nsha256: {hashlib.sha256(content).hexdigest()}"),
        (f"width_px: {FACE_WIDTH_PX}", f"width_px: {width}"),
        (f"height_px: {FACE_HEIGHT_PX}", f"height_px: {height}"),
    ):
        assert old in description
        description = description.replace(old, new)
    (folder / "face.yaml").write_text(description)
    chosen = f", frames: [{', '.join(map(str, frames))}]" if frames else ""
    backend = release.module if release else "cpu"
    pipeline = folder / "pipeline.yaml"
    pipeline.write_text(f"source: {{uri: {video.name}{chosen}}}\nmodel: face.yaml\nbackend: {backend}\ndigests: true\n")
    return pipeline
