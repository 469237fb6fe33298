"""The ship gate: what a box could not load must not leave the house. Pure: facts in, findings out."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from edgebuild.model.arch import ARCHES, Arch
from edgebuild.model.elf import ElfFacts, Finding, VersionNode, parse_version
from edgebuild.model.target import Contract

# What each code means, as the heading of its findings.
CODES = {
    "A100": "nothing to audit",
    "A101": "built for another machine",
    "A102": "needs newer symbols than the box has",
    "A103": "needs a library that is neither bundled nor on the box",
    "A104": "above the floor that everything of ours is linked for",
    "A105": "searches libraries outside the tree that ships",
    "A106": "asks for an executable stack",
    "A107": "asks for a dynamic loader that the box does not have",
    "A108": "cannot be mapped with the box's page size",
}
_SHOWN_SYMBOLS = 2
_BITS, _ENDIANNESS = 64, "little"  # of every architecture in ARCHES
_LOADER_FOLDERS = ("/lib", "/lib64")
Needs = Mapping[str, Mapping[str, str]]


def audit(
    elves: Sequence[ElfFacts], contract: Contract, *, floor: str = "", needs: Needs = MappingProxyType({})
) -> tuple[Finding, ...]:
    """Everything that would stop these files from loading on a box of this contract, worst first.

    elves: all files of the tree that ships, since they find each other there.
    floor: glibc version that everything of ours is linked for, with no other runtime ("": none to hold).
    needs: what bundled libraries of others may need instead: file -> {"GLIBC": "2.28", "GLIBCXX": "3.4.22"}.
    A fact that the contract does not state gives a finding of severity "unknown".
    """
    if not elves:
        return (Finding(code="A100", file="", message="no ELF file found", hint="is this the right folder?"),)
    bundle = _Bundle(elves)
    findings = [finding for elf in elves for finding in _audit_file(elf, contract, bundle)]
    if floor:
        for elf in elves:
            findings += _above_floor(elf, needs.get(elf.name, {"GLIBC": floor}), bundle)
    return tuple(sorted(findings, key=lambda finding: (finding.severity, finding.code, finding.file, finding.message)))


def render_findings(findings: Sequence[Finding]) -> str:
    """A paragraph per code, worst first; each hint once, after the findings it belongs to."""
    paragraphs = []
    for (severity, code), group in itertools.groupby(findings, key=lambda finding: (finding.severity, finding.code)):
        members = list(group)
        doubt = " (unknown, which does not pass)" if severity == "unknown" else ""
        lines = [f"{code} {CODES[code]}{doubt}"]
        for hint, same in itertools.groupby(members, key=lambda finding: finding.hint):
            lines += ["  " + ": ".join(filter(None, (finding.file, finding.message))) for finding in same]
            lines += [f"    hint: {hint}"] if hint else []
        paragraphs.append("\n".join(lines))
    return "\n".join(paragraphs)


class _Bundle:
    """The files of the tree by every path that leads to them, as the loader would meet them."""

    def __init__(self, elves: Sequence[ElfFacts]) -> None:
        self._by_path = {path: elf for elf in elves for path in (elf.name, *elf.also)}

    def find(self, library: str, needed_by: ElfFacts) -> ElfFacts | None:
        """What the loader opens inside the tree. A folder of its own counts only if RUNPATH names it."""
        for entry in needed_by.runpath:
            folder = _inside_tree(entry, needed_by.name)
            if folder is not None and (found := self._by_path.get(posixpath.normpath(f"{folder}/{library}"))):
                return found
        return None


def _audit_file(elf: ElfFacts, contract: Contract, bundle: _Bundle) -> Iterator[Finding]:
    arch = ARCHES[contract.arch]
    if wrong := tuple(_wrong_machine(elf, arch)):
        yield from wrong  # anything else about this file would only be noise
        return
    yield from _libraries(elf, contract, bundle)
    yield from _search_paths(elf)
    if elf.exec_stack:
        hint = "an assembly file lacks `.section .note.GNU-stack`, or link with -z noexecstack; glibc 2.41 refuses it."
        yield _finding("A106", elf, "PT_GNU_STACK is executable or missing", hint)
    yield from _interpreter(elf, arch)
    if elf.kind != "object" and elf.alignment and elf.alignment < contract.page_size:
        hint = f"link with -z max-page-size={contract.page_size}."
        yield _finding("A108", elf, f"aligned to {elf.alignment} bytes, pages have {contract.page_size}", hint)


def _wrong_machine(elf: ElfFacts, arch: Arch) -> Iterator[Finding]:
    expected = (arch.elf_machine, _BITS, _ENDIANNESS)
    found = (elf.machine, elf.bits, elf.endianness)
    if found != expected:
        message = f"is {_describe(*found)}, expected {_describe(*expected)}"
        yield _finding("A101", elf, message, "it was built by the host's compiler or comes from another target.")


def _describe(machine: str, bits: int, endianness: str) -> str:
    return f"{machine.removeprefix('EM_')} {bits}-bit {endianness}-endian"


# ---- NEEDED libraries and their version nodes ----


def _libraries(elf: ElfFacts, contract: Contract, bundle: _Bundle) -> Iterator[Finding]:
    for library in dict.fromkeys((*elf.needed, *elf.needed_versions)):
        nodes = elf.needed_versions.get(library, {})
        if bundled := bundle.find(library, elf):
            yield from _missing_in_bundled(elf, bundled, nodes)
        elif library not in contract.libraries:
            hint = f"bundle it and let RUNPATH lead to it; add it to the contract if {_box(contract)} has it."
            yield _finding("A103", elf, f"needs {library}", hint)
        else:
            yield from _newer_than_box(elf, library, nodes, contract)


def _missing_in_bundled(elf: ElfFacts, bundled: ElfFacts, nodes: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    for node, symbols in nodes.items():
        if node not in bundled.defined_versions:
            message = f"needs {_name(node, symbols)}, but the bundled {bundled.name} does not define it"
            yield _finding("A102", elf, message, "it was linked against another version of that library.")


def _newer_than_box(
    elf: ElfFacts, library: str, nodes: Mapping[str, tuple[str, ...]], contract: Contract
) -> Iterator[Finding]:
    provided = contract.libraries[library]
    for name, symbols in nodes.items():
        node = VersionNode.parse(name)
        limit = provided.get(node.family, "")
        needs = f"needs {_name(name, symbols)}"
        if name == "GLIBC_PRIVATE":
            message = f"{needs}, which only the very glibc it was linked against has"
            yield _finding("A102", elf, message, "do not bundle parts of glibc, and do not link its internals.")
        elif not limit or not node.version:
            message = f"{needs}, but {_box(contract)} does not say which {node.family} nodes {library} has"
            yield Finding(
                code="A102",
                file=elf.name,
                message=message,
                hint="look it up on a box (`readelf --version-info`) and add it to the contract.",
                severity="unknown",
            )
        elif node.version > parse_version(limit):
            message = f"{needs}, but {library} of {_box(contract)} ends at {node.family}_{limit}"
            yield _finding("A102", elf, message, "link for a lower glibc, or against the box's own libraries.")


def _above_floor(elf: ElfFacts, limits: Mapping[str, str], bundle: _Bundle) -> Iterator[Finding]:
    """limits: highest version per node family; others are not allowed. What bundled libraries define always is."""
    for library, nodes in elf.needed_versions.items():
        if bundle.find(library, elf):
            continue
        for name, symbols in nodes.items():
            node = VersionNode.parse(name)
            limit = limits.get(node.family)
            if limit is None:
                hint = "link its runtime statically and hidden, as the rest of ours."
                yield _finding("A104", elf, f"needs {_name(name, symbols)}; nothing of {node.family} is allowed", hint)
            elif node.version > parse_version(limit):
                hint = "it was not linked by the row's toolchain, or for another floor."
                yield _finding("A104", elf, f"needs {_name(name, symbols)}; the floor is {node.family}_{limit}", hint)


def _name(node: str, symbols: Sequence[str]) -> str:
    """ "GLIBC_2.38 (fmod@GLIBC_2.38)"."""
    shown = [f"{symbol}@{node}" for symbol in symbols[:_SHOWN_SYMBOLS]]
    more = [f"{len(symbols) - _SHOWN_SYMBOLS} more"] if len(symbols) > _SHOWN_SYMBOLS else []
    return f"{node} ({', '.join(shown + more)})" if shown else node


def _box(contract: Contract) -> str:
    return f"'{contract.title}'"


# ---- Search paths and the loader ----


def _search_paths(elf: ElfFacts) -> Iterator[Finding]:
    for entry in elf.runpath:
        if _inside_tree(entry, elf.name) is None:
            hint = "only $ORIGIN-relative folders that ship with it; audit the whole tree, not one file of it."
            yield _finding("A105", elf, f"RUNPATH has '{entry}'", hint)


def _inside_tree(entry: str, path: str) -> str | None:
    """Folder below the tree that a RUNPATH entry of the file at `path` means; None if it lies elsewhere."""
    for origin in ("$ORIGIN", "${ORIGIN}"):
        if entry == origin or entry.startswith(f"{origin}/"):
            folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), f".{entry.removeprefix(origin)}"))
            return None if folder == ".." or folder.startswith("../") else folder
    return None


def _interpreter(elf: ElfFacts, arch: Arch) -> Iterator[Finding]:
    folder, name = posixpath.split(elf.interpreter)
    if elf.interpreter and (name != arch.loader or folder not in _LOADER_FOLDERS):
        message = f"its interpreter is {elf.interpreter}, expected {arch.loader} in /lib or /lib64"
        yield _finding("A107", elf, message, "it was linked in an environment with a loader of its own.")


def _finding(code: str, elf: ElfFacts, message: str, hint: str) -> Finding:
    return Finding(code=code, file=elf.name, message=message, hint=hint)
