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

# Emulated CPU -> feature as /proc/cpuinfo names it -> qemu's switch for it. Others have none: what a Cortex or Neoverse
# of qemu has, it always has. Checked on qemu 7.2 (`-cpu cortex-a53,crypto=off`: "Property not found"); source: qemu,
# target/arm/cpu64.c. Code for a feature that stays on does not trap here; the audit finds it (A111, A112).
_SWITCHES = {"max": {"sve": "sve", "sme": "sme", "paca": "pauth"}, "a64fx": {"sve": "sve"}}
# Every 64-bit Arm CPU of qemu has these, and many boxes do not: makers license them apart.
_ALWAYS_ON = ("aes", "pmull", "sha1", "sha2", "crc32")
# x86: every feature beyond the architecture's first version has a switch. /proc/cpuinfo -> qemu, where names differ.
_X86_NAMES = {"pni": "sse3", "sse4_1": "sse4.1", "sse4_2": "sse4.2", "sha_ni": "sha-ni"}
_X86_OPTIONAL = (
    "pni", "ssse3", "cx16", "sse4_1", "sse4_2", "popcnt", "lahf_lm", "avx", "f16c", "fma", "movbe", "bmi1", "bmi2",
    "avx2", "abm", "aes", "pclmulqdq", "rdrand", "xsave", "adx", "rdseed", "sha_ni",
)  # fmt: skip
_X86_MODELS = ("qemu64", "kvm64")

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
    program starts are emulated likewise, but only where the kernel knows the emulator (binfmt_misc).
    Raises NotAvailable without the emulator.
    """
    if arch == host_arch():
        return Command(*argv, env=env, timeout_s=timeout_s)
    if root is None:
        msg = f"programs for {arch.name} need a root to run in, and none is given"
        raise ConfigError(msg, "name a sysroot in the row's `roots`.")
    inside = root.root / str(argv[0]).lstrip("/")
    cpu, run_root = cpu_option(contract.cpu), provide_run_root(root, contract.cpu, ws=ws)
    for_children = {"QEMU_CPU": cpu, "QEMU_LD_PREFIX": str(run_root)}  # options are for the program itself alone
    return Command(
        find_emulator(arch),
        "-cpu", cpu,
        "-L", run_root,
        inside if inside.is_file() else argv[0],
        *argv[1:],
        env={**dict.fromkeys(_HOST_ONLY), **for_children, **(env or {})},
        timeout_s=timeout_s,
    )  # fmt: skip


def cpu_option(cpu: CpuSpec) -> str:
    """For `-cpu`: the model, without what the box lacks, as far as qemu can leave it out.

    "max,sve=off". A contract that does not state features leaves the model as it is.
    """
    if cpu.features is None:
        return cpu.emulated_as
    if cpu.emulated_as in _X86_MODELS:
        switches = {feature: _X86_NAMES.get(feature, feature) for feature in _X86_OPTIONAL}
    else:
        switches = _SWITCHES.get(cpu.emulated_as, {})
    off = [f"{switch}=off" for feature, switch in switches.items() if feature not in cpu.features]
    return ",".join([cpu.emulated_as, *off])


def beyond_box(cpu: CpuSpec, arch: Arch) -> tuple[str, ...]:
    """Features that the emulated CPU has and cannot lose, and the box lacks: their use does not trap here."""
    if arch.name != "aarch64" or arch == host_arch() or cpu.features is None:
        return ()
    return tuple(feature for feature in _ALWAYS_ON if feature not in cpu.features)


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
