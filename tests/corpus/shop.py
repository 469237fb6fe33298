"""The workbench of a recipe: compilers, a folder for the artifact, and real distribution files to put into images."""

from __future__ import annotations

import functools
import itertools
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from edgebuild.build.sysroot import provide_sysroot
from edgebuild.build.toolchain import provide_toolchain
from edgebuild.config.targets import toolchain_spec
from edgebuild.config.yaml import load_yaml
from edgebuild.digest import digest_of
from edgebuild.model.arch import ARCHES
from edgebuild.model.product import Toolchain
from edgebuild.model.project import ToolchainWish
from edgebuild.model.recipe import SysrootLock, SysrootRecipe
from edgebuild.run import run
from edgebuild.workspace import Workspace, shipped_data

_TIMEOUT_S = 600
# GNU's compiler and linker for what clang and lld do otherwise: libstdc++, its old string ABI, IFUNC, odd layouts.
_BASELINES = {"x86_64": "x86_64"}  # zig's "generic" there has not even SSE
CROSS_PACKAGES = ("gcc-aarch64-linux-gnu", "g++-aarch64-linux-gnu")


@functools.cache
def toolchain(ws: Workspace, arch: str = "aarch64") -> Toolchain:
    return provide_toolchain(toolchain_spec(ToolchainWish(name="zig"), ws), ARCHES[arch], ws=ws, run=run)


@functools.cache
def root(ws: Workspace, name: str) -> Path:
    """Folder of a shipped sysroot, or of one in tests/corpus/roots."""
    place = Path(__file__).with_name("roots")
    if not (place / f"{name}.yaml").is_file():
        place = shipped_data() / "sysroots"
    recipe = load_yaml(place / f"{name}.yaml", SysrootRecipe)
    return provide_sysroot(name, recipe, load_yaml(place / f"{name}.lock", SysrootLock), ws=ws).root


@functools.cache
def compilers_digest(ws: Workspace) -> str:
    missing = f"no GNU cross-compiler: apt-get install {' '.join(CROSS_PACKAGES)}"
    assert shutil.which("aarch64-linux-gnu-g++"), missing
    gcc = subprocess.run(["aarch64-linux-gnu-gcc", "--version"], capture_output=True, text=True, check=True).stdout
    return digest_of([gcc, toolchain(ws).digest])


@dataclass
class Shop:
    """folder: what is kept. tree: the artifact, unless the recipe returns another path. bench: gone afterwards."""

    folder: Path
    ws: Workspace
    _serial: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def tree(self) -> Path:
        return self._made(self.folder / "tree")

    @property
    def bench(self) -> Path:
        return self._made(self.folder / "bench")

    def write(self, name: str, content: str | bytes, *, mode: int = 0o644) -> Path:
        """A file of the artifact."""
        path = self.place(name)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def place(self, name: str) -> Path:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def link(self, name: str, target: str) -> None:
        self.place(name).symlink_to(target)

    def zig(
        self,
        output: str | Path,
        source: str,
        *arguments: str | Path,
        arch: str = "aarch64",
        libc: str = "gnu.2.17",
        cpu: str = "",
    ) -> Path:
        """clang and lld. libc: "gnu.2.31", "musl". cpu: as zig spells it, "generic+dotprod"; "": the baseline.

        -s: zig's start files otherwise bring the paths of its cache along.
        """
        words = ["-target", f"{arch}-linux-{libc}", f"-mcpu={cpu or _BASELINES.get(arch, 'generic')}", "-O2", "-s"]
        return self._compile(toolchain(self.ws).cc, output, source, ".c", *words, *arguments)

    def zig_cxx(self, output: str | Path, source: str, *arguments: str | Path) -> Path:
        """libc++, linked statically; in the mode that the toolchain has been warmed for."""
        return self._compile(toolchain(self.ws).cxx, output, source, ".cc", "-O2", *arguments)

    def gcc(self, output: str | Path, source: str, *arguments: str | Path) -> Path:
        """GNU C for aarch64 on the distribution's glibc (2.36 on Debian 12), strictly what is asked for is NEEDED."""
        return self._compile("aarch64-linux-gnu-gcc", output, source, ".c", "-O2", "-Wl,--no-as-needed", *arguments)

    def gxx(self, output: str | Path, source: str, *arguments: str | Path) -> Path:
        """GNU C++ with libstdc++ for aarch64."""
        return self._compile("aarch64-linux-gnu-g++", output, source, ".cc", "-O2", *arguments)

    def library(self, output: str | Path, source: str, *arguments: str | Path, soname: str = "") -> Path:
        """A shared library of GNU C that needs GLIBC_2.17 at most unless its source asks for more."""
        named = [f"-Wl,-soname,{soname or Path(output).name}"]
        return self.gcc(output, source, "-shared", "-fPIC", *named, *arguments)

    def assembler(self, output: str | Path, source: str, *arguments: str | Path) -> Path:
        return self._compile("aarch64-linux-gnu-gcc", output, source, ".s", *arguments)

    def call(self, *argv: str | Path) -> None:
        done = subprocess.run(
            [str(word) for word in argv],
            cwd=self.bench,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(map(str, argv))}\n{done.stdout}{done.stderr}"

    def pack(self, name: str) -> Path:
        """The tree as a .tar.gz beside it, as others would ship it."""
        path = self.folder / name
        with tarfile.open(path, "w:gz") as archive:
            archive.add(self.tree, name.removesuffix(".tar.gz"))
        return path

    def deb(self, package: str, architecture: str) -> Path:
        """The tree as a Debian package; written by dpkg-deb."""
        control = (
            f"Package: {package}\nVersion: 1.0\nArchitecture: {architecture}\nMaintainer: corpus <corpus@localhost>\n"
        )
        self.write("DEBIAN/control", control + "Description: made for a test\n")
        path = self.folder / f"{package}_1.0_{architecture}.deb"
        self.call("dpkg-deb", "--root-owner-group", "--build", self.tree, path)
        return path

    def from_root(self, name: str, *files: str, under: str = "", to: Path | None = None) -> None:
        """Real files of a distribution into the artifact, links followed: `usr/lib/aarch64-linux-gnu/libc.so.6`."""
        for file in files:
            target = (to or self.tree) / under / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root(self.ws, name) / file, target)

    def _compile(
        self, compiler: str | Path, output: str | Path, source: str, suffix: str, *arguments: str | Path
    ) -> Path:
        """output: below the tree, or a whole path. Sources have relative names, so nothing leaks into the result."""
        file = f"source{next(self._serial)}{suffix}"
        (self.bench / file).write_text(source)
        path = output if isinstance(output, Path) else self.place(output)
        self.call(compiler, file, "-o", path, *arguments)
        return path

    @staticmethod
    def _made(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder
