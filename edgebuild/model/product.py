"""What has been made: values that point at digest-named folders."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgebuild.model.arch import Arch

# Conan's settings know compilers up to a version; the toolchain's digest says which one it really is.
ZIG_IN_CONAN = (("compiler", "clang"), ("compiler.version", "20"), ("compiler.libcxx", "libc++"))


class Toolchain(msgspec.Struct, frozen=True, kw_only=True):
    """Compilers for one architecture and floor. All programs are absolute; no environment is needed to run them.

    digest: of everything that decides the bytes they write (wheels, flags, floor, CPU, sysroot).
    root: in its bin/ lie the programs, under the same names whatever kind of toolchain it is.
    floor: no file that they link can need a newer glibc; what it does need, the audit finds.
    host_cc/host_cxx: compilers for the build machine, for code generators.
    variant: sets it apart among the toolchains for an architecture, "" for the one whose products serve every row.
    sysroot: what the compilers have been told as --sysroot. roots: where else the target's headers and libraries are.
    pkgconfig: folder with what the sysroot has for pkg-config.
    static_runtime: its C++ runtime is inside what it links; otherwise the box's libstdc++ is needed.
    conan: Conan's settings of the compiler. prefix_map_flag: a compiler's own name for -ffile-prefix-map.
    """

    name: str
    digest: str
    arch: Arch
    floor: str
    root: Path
    host_cc: Path
    host_cxx: Path
    c_flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()
    variant: str = ""
    sysroot: Path | None = None
    roots: tuple[Path, ...] = ()
    pkgconfig: Path | None = None
    static_runtime: bool = True
    conan: tuple[tuple[str, str], ...] = ZIG_IN_CONAN
    prefix_map_flag: str = "-ffile-prefix-map"

    @property
    def cc(self) -> Path:
        return self.root / "bin/cc"

    @property
    def cxx(self) -> Path:
        return self.root / "bin/c++"

    @property
    def ar(self) -> Path:
        return self.root / "bin/ar"

    @property
    def ranlib(self) -> Path:
        return self.root / "bin/ranlib"

    @property
    def nm(self) -> Path:
        return self.root / "bin/nm"

    @property
    def strip(self) -> Path:
        return self.root / "bin/strip"

    @property
    def objcopy(self) -> Path:
        return self.root / "bin/objcopy"

    @property
    def label(self) -> str:
        """What its products and build trees are called: "aarch64", "aarch64-clang-debian-11-arm64"."""
        return f"{self.arch.name}-{self.variant}" if self.variant else self.arch.name


class Sysroot(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution's files for one architecture. root: usr-merged, all symlinks relative."""

    name: str
    digest: str
    arch: Arch
    glibc: str
    root: Path


class CoreTree(msgspec.Struct, frozen=True, kw_only=True):
    """The installed core.

    runtime: bin/, lib/edgecore/ (what ships); sdk: include/, lib/*.a, lib/cmake/ (what bindings link);
    tests: bin/ (contract suite and unit tests, for the machine the core is for).
    """

    digest: str
    runtime: Path
    sdk: Path
    tests: Path


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One file a build gives. kind: "tarball", "image", "debug", "tests", "wheel".

    image: reference that `docker load` gives an image; image_id: "sha256:..." of its config. Empty for the others.
    """

    kind: str
    path: str  # below the row's output folder
    sha256: str
    size_bytes: int
    image: str = ""
    image_id: str = ""


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """out/ROW/manifest.json. plan: digest of everything that went in; equal plans need no rebuild."""

    schema: str = "edgebuild.artifact/1"
    name: str
    version: str
    target: str
    arch: str
    plan: str
    products: tuple[Product, ...]
    abi: dict[str, dict[str, str]]  # file in the tarball -> highest version needed per node family
    made_from: dict[str, str]  # "toolchain" -> digest, ...
    core_only: bool = False  # made by --core-only: reads neither video nor JPEG
