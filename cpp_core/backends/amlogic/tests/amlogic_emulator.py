"""VeriSilicon's compiler and emulator of the A311D's NPU: installed for tests, by locked sha256, and never shipped.

A process with the emulator touches 4.2 GB of memory before it does anything, so there is one at a time.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from amlogic_network import Network
from amlogic_trial import module_of
from numpy.typing import NDArray

from edgebuild.config.yaml import load_yaml
from edgebuild.digest import digest_of, sha256_file
from edgebuild.fetch import fetch
from edgebuild.model.recipe import Download, Record
from edgebuild.unpack import unpack_tar
from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built

_HERE = Path(__file__).parent
_COMPILER_SOURCE = _HERE / "compile_network.cc"
_MEMBER = "acuitylib/vsi_sdk.tar.gz"
_TIMEOUT_S = 3600  # small networks take 5 to 20 s on an idle machine, a frame of a whole detector a minute


class EmulatorLock(Record):
    """emulator.lock. digests: by what they are of."""

    sdk: Download
    digests: dict[str, str]


LOCK = load_yaml(_HERE / "emulator.lock", EmulatorLock)


@dataclass(frozen=True)
class Emulator:
    sdk: Path

    @property
    def libraries(self) -> Path:
        return self.sdk / "prebuilt-sdk/x86_64_linux/lib"

    @property
    def env(self) -> dict[str, str]:
        return {
            "LD_LIBRARY_PATH": f"{self.libraries}:{self.sdk / 'build/install/lib'}",
            "VIVANTE_SDK_DIR": str(self.libraries.parent),
            "VSIMULATOR_CONFIG": "VIPNANOQI_PID0X88",  # the A311D
        }

    def run(self, *argv: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """cwd: the emulator leaves files there."""
        words = [str(word) for word in argv]
        env = {**os.environ, **self.env}
        return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)


def provide_emulator(ws: Workspace) -> Emulator:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(fetch(LOCK.sdk, ws=ws)) as wheel:
            archive = Path(wheel.extract(_MEMBER, folder))
        unpack_tar(archive, folder)
        archive.unlink()

    folder = ws.provide("testdata", "vsi-sdk", LOCK.sdk.sha256, make, "Providing VeriSilicon's SDK and emulator")
    return Emulator(folder / "vsi_sdk")


def provide_model(network: Network, name: str, *, ws: Workspace, emulator: Emulator) -> Path:
    """The network as an NBG, compiled once per machine."""
    lines = "\n".join(network.lines) + "\n"
    weights = bytes(network.weights)
    facts = [LOCK.sdk.sha256, sha256_file(_COMPILER_SOURCE), lines, hashlib.sha256(weights).hexdigest()]

    def make(folder: Path) -> None:
        (folder / "network.txt").write_text(lines)
        (folder / "weights.bin").write_bytes(weights)
        compiler = _provide_compiler(ws, emulator)
        words = [compiler, "network.txt", "weights.bin", f"{name}.nb"]
        ended = emulator.run(*words, cwd=folder)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    return (
        ws.provide("testdata", f"nbg-{name}", digest_of(facts), make, f"Compiling {name} for the A311D") / f"{name}.nb"
    )


def run_tensors(
    native: Built, emulator: Emulator, model: Path, network: Network, inputs: list[NDArray[np.float32]], folder: Path
) -> tuple[list[dict[str, NDArray[np.uint8]]], str]:
    """The model through the module, all slots busy: as Network.run_reference, and what edgecore-tensors printed."""
    files = [folder / f"input{number}" for number in range(len(inputs))]
    for file, each in zip(files, inputs, strict=True):
        file.write_bytes(each.tobytes())
    words = [native.tree / "bin/edgecore-tensors", module_of(native), model, folder, *files]
    ended = emulator.run(*words, cwd=folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr

    def read(run: int, port: int, name: str) -> NDArray[np.uint8]:
        real = np.fromfile(folder / f"{run}.{port}", np.float32).reshape(network.shapes[name])
        return network.quants[name].store(real)

    answers = [{name: read(run, port, name) for port, name in enumerate(network.outputs)} for run in range(len(inputs))]
    return answers, ended.stdout


def _provide_compiler(ws: Workspace, emulator: Emulator) -> Path:
    """compile_network.cc, by the machine's own compiler: TIM-VX is a libstdc++ library of this machine's kind."""
    installed = emulator.sdk / "build/install"

    def make(folder: Path) -> None:
        words = ["g++", "-std=c++14", "-O1", "-o", folder / "compile_network", _COMPILER_SOURCE]
        words += [f"-I{installed / 'include'}", f"-L{installed / 'lib'}", "-ltim-vx"]
        subprocess.run([*words, f"-Wl,-rpath-link,{emulator.libraries}"], check=True)

    key = digest_of([LOCK.sdk.sha256, sha256_file(_COMPILER_SOURCE)])
    return ws.provide("testdata", "compile-network", key, make, "Compiling compile_network") / "compile_network"
