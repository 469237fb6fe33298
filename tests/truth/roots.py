"""The userlands that artifacts are tried in: Debian 11, 12 and 13 for arm64, from locked packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgebuild.build.emulate import find_emulator, provide_run_root
from edgebuild.build.sysroot import provide_sysroot
from edgebuild.config.probe_rules import load_probe_rules
from edgebuild.config.targets import recipe_digest
from edgebuild.config.yaml import load_yaml
from edgebuild.digest import digest_of, sha256_file
from edgebuild.model.arch import ARCHES
from edgebuild.model.contract import CpuSpec, Provided
from edgebuild.model.product import Sysroot
from edgebuild.model.recipe import SysrootLock, SysrootRecipe
from edgebuild.probe.contract import ALL_BYTES, probe
from edgebuild.probe.root import RootFolder
from edgebuild.workspace import Workspace
from tests.truth.recipe import HERE, ROOTS

# Everything is switched on: what the loader does is asked here, not what a CPU lacks. The cheap variant of pointer
# authentication is the emulator's own; the architected one costs half of its speed.
CPU = CpuSpec(
    model="max",
    emulated_as="max,pauth-impdef=on",
    # ONNX Runtime's library dies on a /proc/cpuinfo of another architecture.
    cpuinfo={
        "BogoMIPS": "100.00",
        "Features": "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics cpuid",
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": "0x0",
        "CPU part": "0xd08",
        "CPU revision": "3",
    },
)
_PAGE_BYTES = 4096
_FREE_BYTES = 16 << 30
KERNEL = "6.1"  # Debian 12's; told to the emulator and to the contract


@dataclass(frozen=True)
class Root:
    """python: "3.9". prefix: command that runs an arm64 program in it. digest: of all that decides what it does."""

    name: str
    sysroot: Sysroot
    python: str
    prefix: tuple[str, ...]
    digest: str
    provided: Provided

    @property
    def interpreter(self) -> Path:
        return self.sysroot.root / f"usr/bin/python{self.python}"


def provide_roots(ws: Workspace) -> tuple[Root, ...]:
    return tuple(_provide(name, ws) for name in ROOTS)


def _provide(name: str, ws: Workspace) -> Root:
    recipe_file = HERE / "roots" / f"{name}.yaml"
    recipe, lock = load_yaml(recipe_file, SysrootRecipe), load_yaml(recipe_file.with_suffix(".lock"), SysrootLock)
    assert lock.recipe == recipe_digest(recipe_file), f"{name}.lock is not of this recipe"
    sysroot = provide_sysroot(f"truth-{name}", recipe, lock, ws=ws)
    run_root = provide_run_root(sysroot, CPU, ws=ws)
    emulator = find_emulator(ARCHES["aarch64"])
    (python,) = (package.removeprefix("python") for package in recipe.packages if package.startswith("python"))
    return Root(
        name=name,
        sysroot=sysroot,
        python=python,
        prefix=(str(emulator), "-cpu", CPU.emulated_as, "-r", f"{KERNEL}.0", "-L", str(run_root)),
        digest=digest_of([sysroot.digest, sha256_file(emulator), CPU.emulated_as, CPU.cpuinfo, KERNEL]),
        provided=_contract(sysroot, ws),
    )


def _contract(sysroot: Sysroot, ws: Workspace) -> Provided:
    """Probed from the files; what no file tells is the emulator's."""
    source = RootFolder(sysroot.root, ws)
    provided = probe(source, load_probe_rules(ws), title=sysroot.name, room_bytes=ALL_BYTES, log=ws.log)
    contract = msgspec.structs.replace(
        provided.contract, cpu=CPU, page_size=_PAGE_BYTES, kernel=KERNEL, free_bytes=_FREE_BYTES
    )
    return msgspec.structs.replace(provided, contract=contract)
