"""A target row and the device contract it names: the only place where the axes meet."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgebuild.model.arch import ARCHES, Arch
from edgebuild.model.contract import Contract, Provided, Waiver
from edgebuild.model.image import ImageRecipe
from edgebuild.model.recipe import (
    BuildTool,
    Download,
    Record,
    RuntimeRecipe,
    SysrootLock,
    SysrootRecipe,
    ToolchainLock,
    ToolchainRecipe,
    ZigRecipe,
)

Proof = Literal["hardware", "simulator", "emulated", "native", "link-checked", "none"]


class PythonSpec(Record, frozen=True):
    """A Python of the contract that wheels are made for. headers: the row's sysroot with its development files."""

    version: str  # "3.9"
    headers: str

    @property
    def tag(self) -> str:
        return "cp" + self.version.replace(".", "")


class ProofSpec(Record, frozen=True):
    """How far the row has been proven, honestly. by: what ran it."""

    level: Proof
    by: str = ""


# They become words of a box's script, so their letters are plain ones.
Mount = Annotated[
    str, msgspec.Meta(pattern=r"^(/[A-Za-z0-9][A-Za-z0-9._+@=-]*)+(:(/[A-Za-z0-9][A-Za-z0-9._+@=-]*)+)?(:r[ow])?\Z")
]
Folder = Annotated[str, msgspec.Meta(pattern=r"^(/[A-Za-z0-9][A-Za-z0-9._+@=-]*)+\Z")]
Device = Annotated[str, msgspec.Meta(pattern=r"^/dev(/[A-Za-z0-9*?][A-Za-z0-9._+*?-]*)+\Z")]


class ContainerSpec(Record, frozen=True, omit_defaults=True):
    """What a container on the box gets of it: the drivers' libraries and devices, which no image can bring.

    mounts: "/opt/sdk:ro", or "/on/the/box:/inside:ro". devices: "/dev/name" or a pattern, expanded on the box. Each
    has to be there. library_path: folders inside in which the loader looks before the image's own, as mounts that
    bring libraries need it.
    """

    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()
    library_path: tuple[Folder, ...] = ()


class SysrootSpec(Record, frozen=True):
    """A sysroot by name, with its recipe and lock."""

    name: str
    recipe: SysrootRecipe
    lock: SysrootLock


class ToolchainSpec(Record, frozen=True):
    """A toolchain by name, with all it needs. sysroot: what it compiles against, for a kind that brings none.

    host: whose compilers make what runs on the build machine; None for a kind that does so itself.
    """

    name: str
    recipe: ToolchainRecipe
    lock: ToolchainLock
    sysroot: SysrootSpec | None = None
    host: ToolchainSpec | None = None

    @property
    def words(self) -> str:
        """ "clang against debian-11-arm64, glibc 2.31"."""
        against = f" against {self.sysroot.name}" if self.sysroot else ""
        return f"{self.name}{against}, glibc {self.glibc}"

    @property
    def glibc(self) -> str:
        """Nothing that it links can need a newer one. "2.31"."""
        if self.sysroot:
            return self.sysroot.lock.glibc
        if self.lock.imported:
            return self.lock.imported.glibc
        return self.recipe.floor if isinstance(self.recipe, ZigRecipe) else ""


class TargetRow(Record, frozen=True):
    """edgebuild/targets/NAME.yaml. What the box is, its contract says: architecture, CPU, Pythons, limits."""

    title: str
    contract: str
    toolchain: str
    backends: tuple[str, ...]
    sysroot: str = ""  # what the toolchain compiles against, where its kind brings no C library
    roots: tuple[str, ...] = ()  # sysroots the artifact is run in under emulation; the first is the default
    sdk: tuple[str, ...] = ()  # imported SDKs that its boxes have, for projects to link against
    image: str = ""  # container base
    container: ContainerSpec | None = None
    alias: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    proof: ProofSpec = ProofSpec(level="none")


class ImageSpec(Record, frozen=True):
    """The row's container base, and the lock of the sysroot whose packages it is made from."""

    name: str
    recipe: ImageRecipe
    lock: SysrootLock


class TargetSpec(Record, frozen=True):
    """A row with everything it names, loaded and checked: what stages take."""

    name: str
    row: TargetRow
    contract: Contract
    symbols: dict[str, frozenset[str]]  # of the contract's libraries, as far as they are known
    toolchain: ToolchainSpec
    sysroots: dict[str, tuple[SysrootRecipe, SysrootLock]]  # every sysroot the row names
    runtimes: dict[str, RuntimeRecipe]  # every backend the row names
    tools: tuple[BuildTool, ...]  # of every backend: the core is compiled with all of them
    pythons: tuple[PythonSpec, ...]  # of the contract, as far as one of the row's roots has what wheels are made with
    library_sources: tuple[Download, ...]  # of the third-party libraries
    image: ImageSpec | None = None
    core_only: bool = False  # leave out what needs a distribution's packages: FFmpeg, JPEG, wheels, tests

    @property
    def arch(self) -> Arch:
        return ARCHES[self.contract.arch]

    @property
    def provided(self) -> Provided:
        """The contract as the audit takes it."""
        return Provided(self.contract, self.symbols)
