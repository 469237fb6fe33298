"""Commands that run a target's programs on this machine: directly where it can, else as the box's CPU under qemu-user.

The root is a folder of links beside the sysroot, so that /proc/cpuinfo can be the box's without touching the
sysroot: libraries that read it (ONNX Runtime's does) crash when they meet another architecture's text.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from edgebuild.digest import digest_of
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.model.arch import Arch, host_arch
from edgebuild.model.contract import Contract, CpuSpec
from edgebuild.model.product import Sysroot
from edgebuild.run import Command
from edgebuild.workspace import Workspace

DEFAULT_TIMEOUT_S = 600.0

# What describes the host's userland and would mislead the box's, and what would steer the emulator.
_HOST_ONLY = (
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "QEMU_CPU",
    "QEMU_LD_PREFIX",
    "QEMU_SET_ENV",
    "QEMU_UNSET_ENV",
    "VIRTUAL_ENV",
)


def emulated_command(
    arch: Arch,
    contract: Contract,
    root: Sysroot | None,
    argv: tuple[str | Path, ...],
    *,
    ws: Workspace,
    env: Mapping[str, str] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> Command:
    """The command that runs argv as the contract's CPU in a root; on the target's own architecture, argv itself.

    argv[0]: a path of this machine, or an absolute one inside the root. env: added; the emulator hands its
    environment on, so a value may hold anything (its own -E option splits at commas). Programs that the
    program starts are emulated only where the kernel knows the emulator (binfmt_misc).
    Raises NotAvailable without the emulator.
    """
    if arch == host_arch():
        return Command(*argv, env=env, timeout_s=timeout_s)
    if root is None:
        msg = f"programs for {arch.name} need a root to run in, and none is given"
        raise ConfigError(msg, "name a sysroot in the row's `roots`.")
    inside = root.root / str(argv[0]).lstrip("/")
    return Command(
        find_emulator(arch),
        "-cpu", contract.cpu.emulated_as,
        "-L", provide_run_root(root, contract.cpu, ws=ws),
        inside if inside.is_file() else argv[0],
        *argv[1:],
        env={**dict.fromkeys(_HOST_ONLY), **(env or {})},
        timeout_s=timeout_s,
    )  # fmt: skip


def emulated_python(
    arch: Arch,
    contract: Contract,
    root: Sysroot,
    version: str,
    arguments: tuple[str | Path, ...],
    *,
    path: tuple[Path, ...] = (),
    ws: Workspace,
    env: Mapping[str, str] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> Command:
    """The root's own Python. version: "3.9". path: folders of this machine for sys.path.

    The sysroot is a product, so nothing may be written into it: no .pyc files. The host's user packages
    are kept out: they are another machine's.
    """
    interpreter = root.root / "usr/bin" / f"python{version}"
    if not interpreter.is_file():
        msg = f"sysroot '{root.name}' has no Python {version}"
        raise ConfigError(msg, f"add python{version} to the recipe's packages.")
    python_env = {
        "PYTHONHOME": str(root.root / "usr"),
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
    }
    argv = (interpreter, *arguments)
    return emulated_command(arch, contract, root, argv, ws=ws, env={**python_env, **(env or {})}, timeout_s=timeout_s)


def find_emulator(arch: Arch) -> Path:
    """qemu-user's absolute path. Raises NotAvailable with the package that has it."""
    found = shutil.which(arch.qemu)
    if not found:
        msg = f"{arch.qemu}: not on this machine, so programs for {arch.name} cannot be run"
        raise NotAvailable(msg, "`apt-get install qemu-user-static`; building and packaging work without it.")
    return Path(found)


def provide_run_root(root: Sysroot, cpu: CpuSpec, *, ws: Workspace) -> Path:
    """The sysroot's top level as links, and the box's /proc/cpuinfo if the contract states one."""
    entries = sorted(path for path in root.root.iterdir() if path.name != "proc")
    cpuinfo = render_cpuinfo(cpu, os.cpu_count() or 1)

    def make(folder: Path) -> None:
        for entry in entries:
            (folder / entry.name).symlink_to(entry)
        if cpuinfo:
            (folder / "proc").mkdir()
            (folder / "proc/cpuinfo").write_text(cpuinfo)

    key = digest_of([[str(entry) for entry in entries], cpuinfo])
    return ws.provide("runroots", root.name, key, make, f"Setting up a run root on {root.name}")


def render_cpuinfo(cpu: CpuSpec, count: int) -> str:
    """/proc/cpuinfo of `count` such CPUs, as Linux on Arm writes it; "" if the contract states nothing."""
    if not cpu.cpuinfo:
        return ""
    lines = "".join(f"{name}\t: {value}\n" for name, value in cpu.cpuinfo.items())
    return "".join(f"processor\t: {index}\n{lines}\n" for index in range(count))
