"""Distributions put libraries and compilers' files in other places than Debian; programs link all the same.

The files are Debian 11's, put where the others have theirs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgebuild.build.emulate import find_emulator
from edgebuild.model.arch import ARCHES
from edgebuild.workspace import Workspace
from tests.boxes.userland import provide_userland
from tests.e2e.harness import edgebuild

DEBIAN = "aarch64-linux-gnu"


@dataclass(frozen=True)
class Layout:
    """libraries, gcc: folders. headers: of C++ for this machine, below those for all."""

    libraries: str
    gcc: str
    headers: str


LAYOUTS = {
    "red-hat": Layout("usr/lib64", "usr/lib/gcc/aarch64-redhat-linux/10", "aarch64-redhat-linux"),
    "another-vendor": Layout("usr/lib64", "usr/lib/gcc/aarch64-acme-linux/10", "aarch64-acme-linux"),
    "openembedded": Layout("usr/lib", "usr/lib/aarch64-poky-linux/10.2.0", "aarch64-poky-linux"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_root_of_this_layout_is_proven(name: str, cache: Workspace, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    root = write_layout(layout, provide_userland("dev-arm64", cache), tmp_path / "root")
    document = edgebuild("sysroot", "import", root, "--as", name, "--json", cwd=tmp_path).json()
    assert document["proof"]["languages"] == ["C", "C++"]
    taken = Path(document["path"])
    assert (taken / layout.libraries / "libc.so.6").is_file() and (taken / layout.gcc / "crtbeginS.o").is_file()
    assert (taken / layout.libraries / "libm.so").is_file(), "Debian's link named a folder that is not here"


def write_layout(layout: Layout, debian: Path, root: Path) -> Path:
    version = Path(layout.gcc).name
    copy(debian / "usr/include", root / "usr/include")
    (root / "usr/include/c++/10").rename(root / "usr/include/c++" / version)
    own = root / "usr/include" / DEBIAN
    (own / "c++/10").rename(root / "usr/include/c++" / version / layout.headers)
    for path in own.iterdir():
        if not (root / "usr/include" / path.name).exists():
            path.rename(root / "usr/include" / path.name)
    shutil.rmtree(own)
    libraries = root / layout.libraries
    copy(debian / "usr/lib" / DEBIAN, libraries)
    script = libraries / "libc.so"
    text = script.read_text()
    script.unlink()  # a hard link to Debian's
    for folder in (f"/usr/lib/{DEBIAN}", f"/lib/{DEBIAN}"):
        text = text.replace(folder, f"/{layout.libraries}")
    script.write_text(text)
    copy(debian / "usr/lib/gcc" / DEBIAN / "10", root / layout.gcc)
    for link in (root / layout.gcc).iterdir():
        if link.is_symlink() and not link.exists():
            target = libraries / link.readlink().name
            link.unlink()
            link.symlink_to(os.path.relpath(target, link.parent))
    (root / "usr/lib").mkdir(exist_ok=True)
    for name in ("lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "usr/lib64").mkdir(exist_ok=True)
    loader = root / "usr/lib/ld-linux-aarch64.so.1"
    loader.unlink(missing_ok=True)
    loader.symlink_to(os.path.relpath(libraries / "ld-2.31.so", loader.parent))
    # Debian's loader knows other folders by itself than theirs do: the cache that ldconfig makes has to tell it.
    (root / "etc").mkdir()
    (root / "etc/ld.so.conf").write_text(f"/{layout.libraries}\n")
    ldconfig = debian / "usr/sbin/ldconfig"
    subprocess.run([find_emulator(ARCHES["aarch64"]), ldconfig, "-r", root], check=True, timeout=120)
    return root


def copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, copy_function=hard_link)


def hard_link(source: str, target: str) -> None:
    os.link(source, target, follow_symlinks=False)
