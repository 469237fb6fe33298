"""Cross wheels through scikit-build-core: the target's Python is never run, and any host Python serves."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edgebuild.elf import read_elves
from edgebuild.errors import BuildError, ConfigError
from edgebuild.fetch import fetch
from edgebuild.model.elf import parse_version
from edgebuild.model.product import CoreTree, Sysroot, Toolchain
from edgebuild.model.recipe import Download
from edgebuild.model.target import PythonSpec
from edgebuild.package import wheel_file
from edgebuild.package.debug import split_debug
from edgebuild.package.tarball import source_date
from edgebuild.package.wheel_tag import abi_tag, soabi, wheel_tag
from edgebuild.run import CLEAN_BUILD_ENV, Command, Runner
from edgebuild.unpack import unpack_wheel
from edgebuild.workspace import Workspace

_PYBIND11_LOCK = Path(__file__).with_name("pybind11.lock")
_NOT_SOURCE = shutil.ignore_patterns("build", "CMakeUserPresets.json", "compile_commands.json", "__pycache__")
_TIMEOUT_S = 1800


def build_wheel(
    core: CoreTree,
    python: PythonSpec,
    headers: Sysroot,
    toolchain: Toolchain,
    runtime_dir: Path,
    out: Path,
    *,
    toolchain_file: Path,
    defines: Mapping[str, str],
    debug: Path,
    ws: Workspace,
    run: Runner,
) -> Path:
    """The wheel of the bindings for one Python, in `out`, verified.

    runtime_dir: shared libraries that the wheel carries. toolchain_file: for CMake, with this Python's SOABI.
    defines: CMake variables beside those that follow from the other arguments. debug: tree that the module's
    debug information goes to. Raises BuildError, NotAvailable, or VerificationError for a wheel that lies.
    """
    arch = toolchain.arch
    pybind11 = provide_pybind11(python.version, ws=ws)
    with ws.log.step(f"Building the wheel for Python {python.version}"), ws.scratch("wheel") as scratch:
        source, include, tree, packed = (scratch / name for name in ("source", "include", "tree", "packed"))
        shutil.copytree(ws.core_source, source, ignore=_NOT_SOURCE)
        gather_headers(headers, python, include)
        variables = {
            **defines,
            "edgecore_DIR": str(core.sdk / "lib/cmake/edgecore"),
            "EDGECORE_RUNTIME_DIR": str(runtime_dir),
            "Python_INCLUDE_DIR": str(include),
            "pybind11_DIR": str(pybind11 / "pybind11/share/cmake/pybind11"),
        }
        local_file = scratch / "toolchain.cmake"
        local_file.write_text(render_local_toolchain(toolchain_file, scratch))
        command = wheel_command(source, scratch, local_file, variables, python, toolchain)
        run(command, log_file=ws.log_file(f"{scratch.name}-{arch.name}-{python.tag}"))
        (built,) = (scratch / "dist").glob("*.whl")
        wheel_file.unpack(built, tree)
        stripped = [elf.name for elf in read_elves(tree) if not elf.has_debug]
        split_debug(tree, debug, toolchain, keep=stripped, run=run)
        packed.mkdir()
        wheel = wheel_file.pack(tree, packed, tag=wheel_tag(python, arch, read_elves(tree)))
        wheel_file.verify(wheel, python, arch)
        return wheel.replace(out / wheel.name)


def render_local_toolchain(toolchain_file: Path, scratch: Path) -> str:
    """The toolchain file, and a name for the scratch folder whose own is random. The last map that fits counts."""
    flag = f"-ffile-prefix-map={scratch}=wheel"
    return f'include("{toolchain_file}")\nstring(APPEND CMAKE_CXX_FLAGS_INIT " {flag}")\n'


def wheel_command(
    source: Path,
    scratch: Path,
    toolchain_file: Path,
    variables: Mapping[str, str],
    python: PythonSpec,
    toolchain: Toolchain,
) -> Command:
    """scikit-build-core, told everything that it would otherwise ask the host's Python.

    The tag is a placeholder: the true one is known when the ELF files are there.
    """
    settings = {
        "build-dir": str(scratch / "build"),
        "cmake.toolchain-file": str(toolchain_file),
        "cmake.build-type": "RelWithDebInfo",
        "cmake.python-hints": "false",  # or the host's headers win over the target's
        "install.strip": "false",
        "wheel.tags": f"{python.tag}-{abi_tag(python)}-linux_{toolchain.arch.name}",
        **{f"cmake.define.{name}": value for name, value in variables.items()},
    }
    return Command(
        sys.executable,
        "-m", "build",
        "--wheel",
        "--no-isolation",
        "--skip-dependency-check",
        "--outdir", scratch / "dist",
        *(f"-C{name}={value}" for name, value in settings.items()),
        source,
        env={
            **CLEAN_BUILD_ENV,
            "CMAKE_GENERATOR": "Ninja",
            "CXXFLAGS": None,
            "SETUPTOOLS_EXT_SUFFIX": f".{soabi(python, toolchain.arch)}.so",
            "SOURCE_DATE_EPOCH": str(source_date()),
        },
        timeout_s=_TIMEOUT_S,
    )  # fmt: skip


def gather_headers(sysroot: Sysroot, python: PythonSpec, include: Path) -> None:
    """Only Python's own headers, in one folder.

    Debian's pyconfig.h refers to a per-architecture one below usr/include; searching that folder would put the
    distribution's C library before the toolchain's, and with it a newer glibc than the floor.
    """
    name = f"python{python.version}"
    common = sysroot.root / "usr/include" / name
    machine = sysroot.root / "usr/include" / sysroot.arch.triple / name
    if not (common / "Python.h").is_file():
        msg = f"sysroot '{sysroot.name}' has no headers of Python {python.version}"
        raise BuildError(msg, f"add libpython{python.version}-dev to its packages and lock it again.")
    shutil.copytree(common, include)
    if machine.is_dir():
        shutil.copytree(machine, include, dirs_exist_ok=True)
    # Python.h of 3.9 and 3.10 wants crypt.h, which is libxcrypt's and serves no extension module.
    config = include / "pyconfig.h"
    config.write_text(config.read_text().replace("#define HAVE_CRYPT_H 1", "/* #undef HAVE_CRYPT_H */"))


class LockedPybind11(Download, frozen=True, kw_only=True):
    """python: the oldest that it supports. Source: detail/common.h, "PYTHON < X IS UNSUPPORTED"."""

    python: str


def choose_pybind11(python: str) -> tuple[str, LockedPybind11]:
    """The newest locked version that supports a Python, with its number. Raises ConfigError."""
    locked = msgspec.json.decode(_PYBIND11_LOCK.read_bytes(), type=dict[str, LockedPybind11])
    for version in sorted(locked, key=parse_version, reverse=True):
        if parse_version(locked[version].python) <= parse_version(python):
            return version, locked[version]
    oldest = min((each.python for each in locked.values()), key=parse_version)
    msg = f"no pybind11 for Python {python} is locked"
    raise ConfigError(msg, f"the oldest Python that the locked ones support is {oldest}; see {_PYBIND11_LOCK.name}.")


def provide_pybind11(python: str, *, ws: Workspace) -> Path:
    """The wheel of the one for a Python, unpacked: headers and CMake package, nothing that runs."""
    version, download = choose_pybind11(python)

    def make(product: Path) -> None:
        unpack_wheel(fetch(download, ws=ws), product)

    return ws.provide("pybind11", f"pybind11-{version}", download.sha256, make, f"Unpacking pybind11 {version}")
