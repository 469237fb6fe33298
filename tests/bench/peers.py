"""What other tools say of an artifact, as kinds of complaint. Each is called as its users do, and read generously."""

from __future__ import annotations

import json
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgebuild.audit.finding import glibc_of
from edgebuild.elf import is_elf
from edgebuild.model.contract import Contract

# Their own environment, because they ask for other versions of the libraries that our tests use. `make bench` fills it.
_BIN = Path(__file__).resolve().parents[2] / "build/peers/bin"
_MACHINES = {"aarch64": "AArch64", "x86_64": "X86-64"}
_SCRIPT = Path(__file__).with_name("readelf_check.sh")
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Opened:
    """An artifact as the tools get it. tree: unpacked, which not all of them could do. wheel: itself, or made of it."""

    tree: Path
    wheel: Path
    is_wheel: bool


def _run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, argv)), capture_output=True, text=True, check=False, timeout=_TIMEOUT_S, errors="replace"
    )


def pack(tree: Path, wheel: Path) -> None:
    """A tree that is no wheel, for tools that read nothing else."""
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in sorted(tree.rglob("*")):
            if path.is_file() and not path.is_symlink():
                archive.write(path, f"packed/{path.relative_to(tree)}")
        archive.writestr("packed-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n")
        archive.writestr("packed-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: packed\nVersion: 1\n")
        # auditwheel reads what is listed here.
        archive.writestr("packed-1.dist-info/RECORD", "".join(f"{name},,\n" for name in archive.namelist()))


def auditwheel(opened: Opened, contract: Contract) -> set[str]:
    """`auditwheel show`: what its platform tag says against the box's glibc, libraries that no policy allows, ISA."""
    done = _run(_BIN / "auditwheel", "show", "--json", opened.wheel)
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return {"damaged"} if done.returncode else set()
    if "error" in document or "architecture" in done.stderr:  # "ignoring: X with Y architecture"
        return {"machine", "tag", "damaged"}
    said: set[str] = set()
    tag, glibc = document.get("sym_tag", ""), glibc_of(contract)
    if tag.startswith("manylinux_") and glibc and tuple(map(int, tag.split("_")[1:3])) > glibc:
        said |= {"versions"}
    if tag.startswith("linux_") and document.get("versioned_symbols"):
        said |= {"versions"}
    promised = opened.wheel.name.rpartition("-")[2].removesuffix(".whl").split(".")[0]
    if opened.is_wheel and promised.startswith("manylinux_") and tag.startswith("manylinux_"):
        said |= {"tag"} if tuple(map(int, tag.split("_")[1:3])) > tuple(map(int, promised.split("_")[1:3])) else set()
    said |= {"library"} if any(path is None for path in document.get("external_libs", {}).values()) else set()
    return said | ({"isa"} if document.get("unsupported_isa") else set())


def abi3audit(opened: Opened, _contract: Contract) -> set[str]:
    if not opened.is_wheel:
        return set()
    done = _run(_BIN / "abi3audit", "--strict", "--report", opened.wheel)
    try:
        specs = json.loads(done.stdout)["specs"]
    except (ValueError, KeyError):
        return {"abi3"} if "violation" in (done.stdout + done.stderr).lower() else set()
    results = [result["result"] for spec in specs.values() for result in spec.get("wheel", [])]
    is_sound = all(each.get("is_abi3", True) and each.get("is_abi3_baseline_compatible", True) for each in results)
    return set() if is_sound else {"abi3"}


def checksec(opened: Opened, _contract: Contract) -> set[str]:
    """Hardening of each file. Any RPATH counts, though it complains of every $ORIGIN as well."""
    files = [path for path in opened.tree.rglob("*") if is_elf(path)]
    said: set[str] = set()
    done = _run(_BIN / "checksec", "--json", *files) if files else None
    try:
        document = json.loads(done.stdout) if done else {}
    except ValueError:
        return {"damaged"}
    for facts in document.values():
        said |= {"stack"} if facts.get("nx") is False else set()
        said |= {"rpath"} if facts.get("rpath") or facts.get("runpath") else set()
    return said


def readelf(opened: Opened, contract: Contract) -> set[str]:
    glibc = ".".join(map(str, glibc_of(contract) or (0,)))
    glibcxx = contract.libraries.get("libstdc++.so.6", {}).get("GLIBCXX", "0")
    libraries = " ".join(contract.libraries)
    done = _run("sh", _SCRIPT, opened.tree, _MACHINES[contract.arch], glibc, glibcxx, libraries)
    return {line.partition(" ")[0] for line in done.stdout.splitlines()}


PEERS = {"auditwheel": auditwheel, "abi3audit": abi3audit, "checksec": checksec, "readelf script": readelf}
