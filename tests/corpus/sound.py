"""Sound artifacts, each with a box that can load it, and one below its floor that has to refuse it.

The wheels and packages are other people's, pinned by digest; what we build ourselves is what a hasty auditor refuses.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgebuild.config.yaml import load_yaml
from edgebuild.fetch import fetch
from edgebuild.model.recipe import Download, SysrootLock
from edgebuild.workspace import Workspace
from tests.corpus.images import base, write_image
from tests.corpus.model import Made, reason
from tests.corpus.shop import Shop, root
from tests.corpus.wheels import Files, write_wheel

_HERE = Path(__file__).parent
USERLAND = "debian-12-tools"
OLD_USERLAND = "debian-11-arm64"
MAIN = "int main(void) { return 0; }\n"


@dataclass(frozen=True)
class Sound:
    """fits: a contract in contracts/, or a root whose contract is read from it. below, code: refused there, with this.

    find: the artifact, if it is another's. make: the recipe, if it is ours.
    """

    name: str
    why: str
    fits: str
    below: str
    code: str
    find: Callable[[Workspace], Path] | None = None
    make: Callable[[Shop], Made | Path | None] | None = None
    foreign: bool = False


# Wheels by the box that has to refuse them: too old a runtime, another Python, another C library.
WHEELS = {
    ("glibc-2.17-box", "A102"): (
        "scipy", "opencv-python-headless", "onnxruntime", "grpcio", "pillow", "cryptography", "lxml", "pyzmq",
        "shapely", "greenlet", "bcrypt", "ninja",
    ),
    ("glibc-2.17-box", "A103"): ("numpy", "h5py"),
    ("debian-11-box", "A124"): ("pyyaml", "msgspec", "uvloop", "orjson", "zstandard", "cffi"),
    ("musl-box", "A103"): ("psutil", "pynacl", "protobuf"),
}  # fmt: skip
PACKAGES = {
    "A102": (
        "coreutils", "curl", "file", "libcurl4", "libprotobuf32", "libpython3.11-stdlib", "libssl3",
        "libstdc++6", "openssh-client", "python3.11-minimal", "rsync", "sqlite3", "tar", "util-linux",
    ),
}  # fmt: skip


def everything() -> tuple[Sound, ...]:
    return (*_wheels(), *_packages(), *_OWN)


def _wheels() -> Iterator[Sound]:
    lock = load_yaml(_HERE / "wheels.lock", dict[str, Download])
    for (below, code), projects in WHEELS.items():
        for project in projects:
            download = lock[project]
            yield Sound(
                name=project,
                why=f"wheel {download.file}",
                fits=USERLAND,
                below=below,
                code=code,
                find=lambda ws, download=download: _fetched(download, ws),  # type: ignore[misc]
                foreign=True,
            )


def _packages() -> Iterator[Sound]:
    lock = load_yaml(_HERE / "roots" / f"{USERLAND}.lock", SysrootLock)
    debs = {package.file.split("_")[0]: package for package in lock.packages}
    for code, names in PACKAGES.items():
        for name in names:
            yield Sound(
                name=f"{name}.deb",
                why=f"Debian package {debs[name].file}",
                fits=USERLAND,
                below=OLD_USERLAND,
                code=code,
                find=lambda ws, download=debs[name]: _fetched(download, ws),  # type: ignore[misc]
                foreign=True,
            )
    yield Sound(
        name="libc6.deb",
        why="a C library as an artifact: it needs its own private symbols, and nothing of the box",
        fits=USERLAND,
        below="x86-64-v1",
        code="A101",
        find=lambda ws: _fetched(debs["libc6"], ws),
        foreign=True,
    )
    yield Sound(
        name="root-of-debian-12",
        why=f"the whole root folder of {len(debs)} Debian packages",
        fits=USERLAND,
        below="x86-64-v1",
        code="A101",
        find=lambda ws: root(ws, USERLAND),
        foreign=True,
    )


def _fetched(download: Download, ws: Workspace) -> Path:
    """Under its own name, which says as much about a wheel as its contents; the cache puts a digest before it."""

    def make(folder: Path) -> None:
        try:
            (folder / download.file).hardlink_to(fetch(download, ws=ws))
        except OSError:  # not on every file system
            shutil.copyfile(fetch(download, ws=ws), folder / download.file)

    title = f"Fetching {download.file}"
    return ws.provide("corpus", "fetched", download.sha256, make, title) / download.file


_OWN: list[Sound] = []


def sound(
    *, fits: str, below: str = "x86-64-v1", code: str = "A101"
) -> Callable[..., Callable[[Shop], Made | Path | None]]:
    def enter(make: Callable[[Shop], Made | Path | None]) -> Callable[[Shop], Made | Path | None]:
        _OWN.append(Sound(make.__name__.replace("_", "-"), reason(make), fits, below, code, make=make))
        return make

    return enter


@sound(fits="old-box")
def bundled_library_by_runpath(shop: Shop) -> None:
    """A program, its library, and the library's library, each with a RUNPATH of its own; links as usual."""
    low = shop.library("lib/liblow.so.1.0", "int low(void) { return 1; }\n", soname="liblow.so.1")
    shop.link("lib/liblow.so.1", "liblow.so.1.0")
    calls = "int low(void);\nint high(void) { return low(); }\n"
    high = shop.library("lib/libhigh.so.2", calls, low, "-Wl,-rpath,$ORIGIN")
    shop.zig("bin/tool", "int high(void);\nint main(void) { return high(); }\n", high, "-Wl,-rpath,$ORIGIN/../lib",
             "-Wl,--allow-shlib-undefined")  # fmt: skip


@sound(fits="debian-12-box", below="debian-11-box", code="A102")
def old_rpath_serves_libraries(shop: Shop) -> None:
    """DT_RPATH of the program, unlike RUNPATH, also counts for what its libraries need."""
    low = shop.library("lib/liblow.so.1", "int low(void) { return 1; }\n")
    high = shop.library("lib/libhigh.so.2", "int low(void);\nint high(void) { return low(); }\n", low)
    options = ("-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/../lib", "-Wl,--allow-shlib-undefined")
    shop.gcc("bin/tool", "int high(void);\nint main(void) { return high(); }\n", high, *options)


@sound(fits="old-box")
def weak_symbols_may_be_absent(shop: Shop) -> None:
    """A weak undefined symbol is a question, not a need."""
    source = "__attribute__((weak)) void tracer(void);\nvoid go(void) { if (tracer) tracer(); }\n"
    shop.library("lib/libgo.so", source)


@sound(fits="old-box")
def outline_atomics(shop: Shop) -> None:
    """GCC's outline atomics hold LSE instructions behind a question to the CPU; every program has them."""
    source = "#include <stdatomic.h>\nint count(atomic_int *n) { return atomic_fetch_add(n, 1); }\n"
    shop.library("lib/libcount.so", source, "-moutline-atomics")


@sound(fits="debian-12-box")
def static_program_of_musl(shop: Shop) -> None:
    """Statically linked, so no loader and no library is asked for: it runs on a glibc box."""
    shop.zig("bin/tool", '#include <stdio.h>\nint main(void) { return puts("x"); }\n', "-static", libc="musl")


@sound(fits="debian-12-box", below="large-pages", code="A108")
def small_alignment_on_small_pages(shop: Shop) -> None:
    """4 KiB alignment is all that 4 KiB pages ask for."""
    shop.library("lib/libcodec.so", "int state = 1;\n", "-Wl,-z,max-page-size=4096")


@sound(fits="debian-12-box", below="debian-11-box", code="A111")
def instructions_that_the_box_has(shop: Shop) -> None:
    """Armv8.2-A with dot products and LSE atomics, for a Cortex-A76."""
    source = "#include <stdatomic.h>\nint count(atomic_int *n) { return atomic_fetch_add(n, 1); }\n"
    shop.library("lib/libcount.so", source, "-march=armv8.2-a+dotprod")


@sound(fits="debian-12-box", below="musl-box", code="A103")
def wheel_of_the_stable_abi(shop: Shop) -> Path:
    """abi3 from 3.9 on, calling what has been in the limited API since 3.2."""
    source = "void *PyModule_Create2(void *, int);\nvoid *PyInit__fast(void) { return PyModule_Create2(0, 1013); }\n"
    module = shop.library(shop.bench / "_fast.so", source)
    files: Files = {"fast/__init__.py": b"", "fast/_fast.abi3.so": module}
    return write_wheel(shop.tree, "cp39-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64", files)


@sound(fits="debian-12-box")
def script_and_links(shop: Shop) -> None:
    """A start script for /bin/sh, one that env finds Python for, a chain of links, a link to a folder."""
    shop.gcc("bin/tool", MAIN)
    shop.write("bin/start", "#!/bin/sh\nexec bin/tool\n", mode=0o755)
    shop.write("bin/report", "#!/usr/bin/env python3\nprint(1)\n", mode=0o755)
    shop.write("share/v2/labels.txt", "face\n")
    shop.link("share/current", "v2")
    shop.link("bin/run", "start")


@sound(fits="debian-11-box", below="x86-64-v1", code="A101")
def static_library_of_the_box(shop: Shop) -> None:
    """A development package: a static library of the box's own machine beside the shared one."""
    part = shop.gcc(shop.bench / "part.o", "int part(void) { return 1; }\n", "-c", "-fPIC")
    shop.call("aarch64-linux-gnu-ar", "rcs", shop.place("lib/libpart.a"), part)
    shop.library("lib/libpart.so", "int part(void) { return 1; }\n")


@sound(fits="debian-11-box", below="old-seccomp", code="A131")
def image_of_debian_12(shop: Shop) -> Path:
    """glibc 2.36 on an engine that knows clone3(); both archive formats in one, layers in gzip."""
    rootfs = base(shop, "debian-12-arm64")
    shop.gcc(rootfs / "app/run", MAIN)
    return write_image(shop.tree / "image.tar", rootfs)


@sound(fits="vendor-mounts", below="half-mounts", code="A130")
def image_that_the_mounts_fit(shop: Shop) -> Path:
    """A Debian 12 image on the box whose host library needs GLIBC_2.34, saved as `docker save` did before 25."""
    rootfs = base(shop, "debian-12-arm64")
    shop.gcc(rootfs / "app/run", MAIN)
    return write_image(shop.tree / "image.tar", rootfs, form="docker", packing="none")


@sound(fits="debian-12-box")
def image_whose_second_layer_repairs_the_first(shop: Shop) -> Path:
    """The first layer has the host's program and a script for a shell that is not there; the second replaces both."""
    rootfs = base(shop, "debian-12-arm64")
    shop.zig(rootfs / "app/run", MAIN, arch="x86_64")
    (rootfs / "app/old.sh").write_text("#!/bin/bash\n")
    (rootfs / "app/old.sh").chmod(0o755)
    upper = shop.bench / "upper"
    (upper / "app").mkdir(parents=True)
    shop.gcc(upper / "app/run", MAIN)
    (upper / "app/.wh.old.sh").touch()
    return write_image(shop.tree / "image.tar", rootfs, upper)


@sound(fits="musl-box", below="debian-12-box", code="A107")
def program_of_musl_on_musl(shop: Shop) -> None:
    """It asks for libc.so, which no file is called there: musl's loader answers to that name itself."""
    shop.zig("bin/tool", '#include <stdio.h>\nint main(void) { return puts("x"); }\n', "-dynamic", libc="musl")


@sound(fits="debian-12-box", below="debian-11-box", code="A124")
def wheel_with_a_script_for_pip(shop: Shop) -> Path:
    """Its script begins with "#!python", which pip replaces by the interpreter that it installs for."""
    source = "void *PyModule_Create2(void *, int);\nvoid *PyInit__fast(void) { return PyModule_Create2(0, 1013); }\n"
    module = shop.library(shop.bench / "_fast.so", source)
    files: Files = {
        "fast/_fast.cpython-311-aarch64-linux-gnu.so": module,
        "fast-1.0.data/scripts/fastctl": b"#!python\nimport fast\n",
    }
    return write_wheel(shop.tree, "cp311-cp311-manylinux_2_17_aarch64", files)


@sound(fits="debian-12-box", below="no-engine", code="A128")
def image_with_musl(shop: Shop) -> Path:
    """A container as Alpine's are: musl's loader is its C library, and the box's glibc has no say in there."""
    rootfs = shop.bench / "rootfs"
    (rootfs / "lib").mkdir(parents=True)
    (rootfs / "app").mkdir()
    loader = root(shop.ws, USERLAND) / "usr/lib/aarch64-linux-musl/libc.so"
    shutil.copy(loader, rootfs / "lib/ld-musl-aarch64.so.1")
    (rootfs / "lib/libc.musl-aarch64.so.1").symlink_to("ld-musl-aarch64.so.1")
    shop.zig(rootfs / "app/run", '#include <stdio.h>\nint main(void) { return puts("x"); }\n', "-dynamic", libc="musl")
    return write_image(shop.tree / "image.tar", rootfs)
