"""This backend's module, run on the maker's runtime and chip simulators, or on the stand-in for both."""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sophon_models import CHIPS, wheel

from edgebuild.digest import digest_of
from edgebuild.fetch import fetch
from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built

OK, INVALID_ARGUMENT, NOT_FOUND, UNSUPPORTED, CORRUPT, SDK = range(6)  # abi::Code
PICTURE_MEMORY = "bm_malloc_device_byte_heap_mask"  # the one function of libbmlib that only pictures need
_TIMEOUT_S = 300
# edgecore-try answers on descriptor 3; whatever the library prints is not it.
_TRY = 'exec "$0" "$@" 3>&1 >/dev/null'

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Ended:
    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Answer:
    """What the module said of opening a model. exit_code: of the process, negative for a signal; text is then empty."""

    code: int
    text: str
    exit_code: int


@dataclass(frozen=True)
class Outputs:
    """runs: for each input, output name -> numbers. copies: to the device and back, number and bytes."""

    runs: list[dict[str, Floats]]
    copies: tuple[int, int, int, int]


@dataclass(frozen=True)
class Place:
    """libraries: the folder that LD_LIBRARY_PATH names: a simulator's, or the stand-in's."""

    tree: Path
    modules: Path
    libraries: Path

    @property
    def module(self) -> Path:
        return self.modules / "libedgecore-sophon.so"

    def call(self, *words: str | Path, env: Mapping[str, str] | None = None, timeout_s: float = _TIMEOUT_S) -> Ended:
        done = subprocess.run(
            [str(word) for word in words],
            env={"LD_LIBRARY_PATH": str(self.libraries), "BMRT_LOG_LEVEL_THRESHOLD": "3", **(env or {})},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def attempt(self, model: Path, *options: str, env: Mapping[str, str] | None = None) -> Answer:
        """Opens it and runs it once, in a process of its own, below the core."""
        words = [self.modules / "edgecore-try", self.module, model, "0", "1", *options]
        ended = self.call("sh", "-c", _TRY, *words, env=env)
        code, _, text = ended.stdout.rstrip("\n").partition(" ")
        return Answer(int(code or -1), text, ended.code)

    def run(self, model: Path, folder: Path, *inputs: Floats, env: Mapping[str, str] | None = None) -> Outputs:
        """The model on each of the inputs, all slots of the engine busy."""
        files = [folder / f"in{number}" for number in range(len(inputs))]
        for file, numbers in zip(files, inputs, strict=True):
            file.write_bytes(numbers.astype(np.float32).tobytes())
        ended = self.call(self.tree / "bin" / "edgecore-tensors", self.module, model, folder, *files, env=env)
        assert ended.code == 0, ended.stderr[-2000:]
        lines = [line.split() for line in ended.stdout.splitlines()]
        outputs = [(words[1], [int(word) for word in words[3:]]) for words in lines if words[0] == "output"]
        (copies,) = (tuple(map(int, words[1:])) for words in lines if words[0] == "copies")
        runs = [
            {
                name: np.fromfile(folder / f"{run}.{number}", np.float32).reshape(shape)
                for number, (name, shape) in enumerate(outputs)
            }
            for run in range(len(inputs))
        ]
        return Outputs(runs, copies)  # type: ignore[arg-type]

    def media(self, folder: Path, *words: str | Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Pictures through the seam: case -> what it ended with. words: a model or codec, the option pictures."""
        program = self.tree / "bin" / "edgecore-sophon-media"
        ended = self.call(program, self.modules, folder, *words, env=env)
        assert ended.code == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
        return dict(re.split(r" (?=levels|error|pictures)", line, maxsplit=1) for line in ended.stdout.splitlines())

    def contract(self, fixtures: Path, *cases: str, env: Mapping[str, str] | None = None) -> Ended:
        """The contract suite, or those of its cases."""
        chosen = [f"--test-case={','.join(case.replace(',', chr(92) + ',') for case in cases)}"] if cases else []
        program = self.tree / "bin" / "edgecore-contract"
        return self.call(program, self.modules, fixtures, "--backends", "sophon", *chosen, env=env)


def modules_of(native: Built, ws: Workspace) -> Path:
    """All modules for x86-64: the row itself ships others, but they were compiled together."""
    core = ws.product("core", "core-x86_64", native.manifest["made_from"]["core"])
    return core / "runtime" / "lib" / "edgecore"


def stand_in(native: Built, ws: Workspace) -> Place:
    return Place(native.tree, modules_of(native, ws), native.tree / "share" / "edgecore" / "stubs" / "sophon")


def simulator(native: Built, chip: str, ws: Workspace) -> Place:
    """The maker's runtime on its simulator of one chip: the library that is called libcmodel.so decides which."""
    download = wheel()

    def make(folder: Path) -> None:
        with zipfile.ZipFile(fetch(download, ws=ws)) as archive:
            for each in CHIPS:
                (folder / each).mkdir()
                names = {"libbmrt.so.1.0": "libbmrt.so.1.0", "libbmlib.so": "libbmlib.so"}
                names[f"libcmodel_{each.removeprefix('bm')}.so"] = "libcmodel.so"
                for name, target in names.items():
                    (folder / each / target).write_bytes(archive.read(f"tpu_mlir/lib/{name}"))

    key = digest_of([download.sha256, CHIPS])
    folder = ws.provide("testdata", "sophon-simulators", key, make, "Unpacking the simulators")
    return Place(native.tree, modules_of(native, ws), folder / chip)


def relative_error(found: Floats, reference: Floats) -> float:
    """Largest difference, in units of the reference's largest value."""
    return float(np.abs(found - reference).max() / np.abs(reference).max())
