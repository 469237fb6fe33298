"""What has been made: values that point at digest-named folders."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgebuild.model.arch import Arch


class Toolchain(msgspec.Struct, frozen=True, kw_only=True):
    """Compilers for one architecture and floor. All programs are absolute; no environment is needed to run them.

    digest: of everything that decides the bytes they write (wheels, flags, floor, CPU).
    host_cc/host_cxx: the same compiler for the build machine, for code generators.
    """

    name: str
    digest: str
    arch: Arch
    floor: str
    root: Path
    cc: Path
    cxx: Path
    ar: Path
    ranlib: Path
    nm: Path
    strip: Path
    objcopy: Path
    host_cc: Path
    host_cxx: Path
    c_flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()


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
