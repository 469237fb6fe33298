"""What is no matter of single ELF files: scripts, archives, links, space, names given to dlopen, leaked paths."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Container, Iterator

from edgebuild.audit.finding import box, finding
from edgebuild.audit.links import check_links
from edgebuild.audit.load import file_names
from edgebuild.audit.scripts import check_scripts
from edgebuild.model.arch import ARCHES
from edgebuild.model.contract import Contract, Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.finding import Finding, Severity
from edgebuild.model.tree import TreeFacts

_SHOWN = 3
_LIBRARY_NAME = re.compile(r"[\w.+-]+\.so(?:\.\d+)*")  # no patterns such as "lib%s.so"
# What glibc opens and does without; a program that links it statically asks for the same names.
_OPTIONAL = (
    "libgcc_s.so.1",  # pthread_cancel() and backtrace() only
    "libnss_*.so*",  # whatever nsswitch.conf names
    "libidn2.so*",  # host names with other letters than ASCII's
)
# Parts of the C library, which know themselves what is beside them.
_C_LIBRARY = ("libc.so.6", "libpthread.so.0", "libresolv.so.2", "ld-linux-*")


def check_others(tree: TreeFacts, provided: Provided) -> Iterator[Finding]:
    """A109, A119, A125, A127, A135, A136."""
    contract = provided.contract
    yield from _damaged(tree)
    yield from check_scripts(tree, provided)
    yield from _archives(tree, contract)
    yield from check_links(tree, provided)
    yield from _space(tree, contract)
    yield from _opened(tree, contract)


def _damaged(tree: TreeFacts) -> Iterator[Finding]:
    for other in tree.others:
        if other.kind == "damaged":
            yield Finding(code="A109", file=other.name, message=other.value, hint="build, fetch or copy it again.")


def _archives(tree: TreeFacts, contract: Contract) -> Iterator[Finding]:
    expected = ARCHES[contract.arch].elf_machine
    for other in tree.others:
        if other.kind == "archive" and (wrong := [each for each in other.value.split() if each != expected]):
            names = ", ".join(each.removeprefix("EM_") for each in wrong)
            message = f"has members for {names}, expected {expected.removeprefix('EM_')}"
            hint = "an archiver of the build machine, or objects of another build: link it anew from this target's."
            yield Finding(code="A127", file=other.name, message=message, hint=hint)


def _space(tree: TreeFacts, contract: Contract) -> Iterator[Finding]:
    """Layers lie there packed while they are unpacked. Other archives are streamed, or the box's installer decides."""
    packed = sum(layer.size_bytes for layer in tree.image.layers) if tree.image else 0
    total = tree.size_bytes + packed
    if not total:
        return
    text = f"needs {_megabytes(tree.size_bytes)}" + (f" and {_megabytes(packed)} of packed layers" if packed else "")
    name = posixpath.basename(tree.path.rstrip("/"))
    if contract.free_bytes is None:
        message = f"{text}, and nobody knows what {box(contract)} has free"
        hint = "`df -B1` on the box tells: free_bytes in the contract."
        yield Finding(code="A135", file=name, message=message, hint=hint, severity="unknown")
    elif total > contract.free_bytes:
        message = f"{text}, {box(contract)} has {_megabytes(contract.free_bytes)} free"
        hint = "leave out debug symbols, headers and tests; or make room and correct free_bytes in the contract."
        yield Finding(code="A135", file=name, message=message, hint=hint)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"


# ---- Names given to dlopen ----


def _opened(tree: TreeFacts, contract: Contract) -> Iterator[Finding]:
    bundled = {name for elf in tree.elves for name in file_names(elf)} | set(map(posixpath.basename, tree.links))
    there = bundled | set(contract.libraries)
    for elf in tree.elves:
        if elf.opens and not any(fnmatch.fnmatch(elf.soname, each) for each in _C_LIBRARY):
            names = sorted({name for path in elf.opens if (name := _lost(path, elf, there))})
            if names:
                message = f"may open {_list(names)}: neither bundled nor on {box(contract)}"
                hint = "bundle what it cannot do without; names that it tries and does without are no matter."
                yield finding("A119", elf, message, hint, "advice", names[0])


def _lost(path: str, elf: ElfFacts, there: set[str]) -> str:
    """The library's name where it is not there, else ""."""
    name = posixpath.basename(path)
    if not _LIBRARY_NAME.fullmatch(name) or name in there or name in elf.needed or name == elf.soname:
        return ""
    return "" if any(fnmatch.fnmatch(name, each) for each in _OPTIONAL) else name


# ---- Leaked paths ----


def check_paths(tree: TreeFacts, *, own: bool, foreign: Container[str] = ()) -> Iterator[Finding]:
    """A115. own: made by our build, which maps its paths away, but for the foreign files; of others it is advice."""
    hint = "compile with -ffile-prefix-map=$PWD=. and without __FILE__ in messages; strip what ships."
    for elf in tree.elves:
        if elf.paths:
            message = f"tells {_list(elf.paths)}"
            severity: Severity = "error" if own and elf.name not in foreign else "advice"
            yield finding("A115", elf, message, hint, severity, elf.paths[0])


def _list(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
