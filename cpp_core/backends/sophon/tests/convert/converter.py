"""The maker's converter, in the one Python that it takes: ONNX in, compiled models out."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sophon_models import HERE, settle_time, wheel

from edgebuild.config.yaml import load_yaml
from edgebuild.digest import digest_of
from edgebuild.errors import BuildError, NotAvailable
from edgebuild.fetch import fetch_all
from edgebuild.model.recipe import Download
from edgebuild.unpack import unpack_wheel
from edgebuild.workspace import Workspace

_TIMEOUT_S = 1800
# The wheel brings a libc of its own, which this machine's programs must not meet.
_SYSTEM_LIBRARIES = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu")


@dataclass(frozen=True)
class Converter:
    """python: a CPython 3.10. packages: the unpacked wheels."""

    python: str
    packages: Path

    @staticmethod
    def provide(ws: Workspace) -> Converter:
        locked = (wheel(), *load_yaml(HERE / "convert" / "packages.lock", tuple[Download, ...]))

        def make(folder: Path) -> None:
            for each in fetch_all(locked, ws=ws):
                unpack_wheel(each, folder)

        key = digest_of([each.sha256 for each in locked])
        folder = ws.provide("testdata", "sophon-converter", key, make, "Unpacking the converter")
        return Converter(find_python(), folder)

    def transform(self, onnx: Path, name: str, shape: tuple[int, ...], folder: Path) -> Path:
        """ONNX to the converter's own language, NAME.mlir in `folder`."""
        shutil.copyfile(onnx, folder / f"{name}.onnx")
        sizes = ",".join(map(str, shape))
        arguments = ("--model_name", name, "--model_def", f"{name}.onnx", "--input_shapes", f"[[{sizes}]]")
        self._tool("model_transform.py", *arguments, "--mlir", f"{name}.mlir", cwd=folder)
        return folder / f"{name}.mlir"

    def calibrate(self, mlir: Path, inputs: Path, table: Path) -> None:
        """Largest value of every tensor over the .npz files in `inputs`. One thread, so that sums have one order."""
        count = str(len(list(inputs.iterdir())))
        rule = ("--tune_num", "0", "--debug_cmd", "use_max")
        arguments = (mlir.name, "--dataset", inputs, "--input_num", count, *rule, "-o", table)
        self._tool("run_calibration.py", *arguments, cwd=mlir.parent, threads="1")

    def deploy(self, mlir: Path, chip: str, quantize: str, *options: str | Path) -> bytes:
        """The compiled model, the same bytes whenever it is made."""
        target = mlir.parent / f"{mlir.stem}-{chip}-{quantize}.bmodel"
        arguments = ("--mlir", mlir.name, "--quantize", quantize, "--chip", chip, "--model", target.name)
        self._tool("model_deploy.py", *arguments, *options, cwd=mlir.parent)
        return settle_time(target.read_bytes())

    def script(self, script: Path, *arguments: str | Path) -> None:
        self._run(script, *arguments, cwd=script.parent, threads="")

    def _tool(self, tool: str, *arguments: str | Path, cwd: Path, threads: str = "") -> None:
        self._run(self.packages / "tpu_mlir" / "python" / "tools" / tool, *arguments, cwd=cwd, threads=threads)

    def _run(self, *words: str | Path, cwd: Path, threads: str) -> None:
        root = self.packages / "tpu_mlir"
        python_path = (root / "python", root / "customlayer" / "python", self.packages)
        env = {
            "HOME": str(cwd),
            "PATH": f"{root / 'bin'}:{root / 'python' / 'tools'}:{Path(self.python).parent}:{os.environ['PATH']}",
            "TPUC_ROOT": str(root),
            "PYTHONPATH": ":".join(map(str, python_path)),
            "LD_LIBRARY_PATH": ":".join((*_SYSTEM_LIBRARIES, str(root / "lib"), str(root / "lib" / "third_party"))),
            **({"OMP_NUM_THREADS": threads} if threads else {}),
        }
        # Where tensors of one size lie on the chip follows from the addresses that the converter's own objects get:
        # with these left to chance, one model came out in three forms.
        command = ["setarch", "x86_64", "--addr-no-randomize", self.python, *map(str, words)]
        ended = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        if ended.returncode != 0:
            msg = f"{Path(words[0]).name}: exit {ended.returncode}\n{(ended.stdout + ended.stderr)[-2000:]}"
            raise BuildError(msg, f"the whole command, in {cwd}: {' '.join(command)}")


def find_python() -> str:
    """$EDGEBUILD_PYTHON310, or the first CPython 3.10 of the path and pyenv that really runs."""
    for candidate in _pythons():
        asked = [candidate, "-c", "import sys; print(sys.version_info[:2])"]
        with contextlib.suppress(OSError):
            if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == "(3, 10)":
                return candidate
    msg = "no CPython 3.10, which is the one version that the converter runs in"
    raise NotAvailable(msg, "install it (pyenv install 3.10), or name one in EDGEBUILD_PYTHON310.")


def _pythons() -> Iterator[str]:
    if chosen := os.environ.get("EDGEBUILD_PYTHON310"):
        yield chosen
    if found := shutil.which("python3.10"):
        yield found
    if pyenv := shutil.which("pyenv"):
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False).stdout.strip()
        yield from map(str, sorted(Path(root).glob("versions/3.10.*/bin/python3.10")))
