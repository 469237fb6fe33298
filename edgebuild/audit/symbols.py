"""Undefined symbols: each is looked for where the loader would look, and what is nearly there is named."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator, Sequence

from edgebuild.audit.finding import box, finding
from edgebuild.audit.load import Loader, Process, exported_names
from edgebuild.model.contract import Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.finding import Finding, Severity

_SHOWN = 3
_PYTHON_SYMBOL = re.compile(r"^_?Py[A-Z_]")
_PYTHON_START = "PyInit_"
_PYTHON_MODULE = re.compile(r"\.(?:cpython-\w+|abi3)\S*\.so$")
# Every library has them, bound to whatever runtime is there, or resolved by the linker's own stubs.
_IGNORED = frozenset({"__gmon_start__", "_DYNAMIC", "_GLOBAL_OFFSET_TABLE_", "_end", "__bss_start", "_edata"})
# In every process, even where only another library of the box asks for it.
_ALWAYS_THERE = ("libc.so.6",)
# Contracts do not say what a library of the box needs itself; this one needs it on every box: its own code calls libm
# and the unwinder. Source: NEEDED of Debian's and Red Hat's libstdc++.so.6.
_CXX_RUNTIME, _CXX_BRINGS = "libstdc++.so.6", ("libm.so.6", "libgcc_s.so.1")
# What the interpreter itself is linked with on every box, and what extension modules therefore often don't name.
_PYTHON_BRINGS = ("libm.so.6", "libdl.so.2", "libpthread.so.0", "libutil.so.1")


def check_symbols(process: Process, loader: Loader) -> Iterator[Finding]:
    """A110, and A117 or A118 where the symbol exists for another C++ runtime or string.

    Where a library is missing altogether nothing is said: any symbol could be its.
    """
    if process.missing:
        return
    scope = _in_scope(process, loader.provided)
    on_box = [each for library in scope for each in _symbols_of(library, loader.provided)]
    for elf in process.bundled:
        lost: list[str] = []
        doubtful: list[str] = []
        unfound = _not_in(elf.undefined, on_box)
        if any(map(_PYTHON_SYMBOL.match, unfound)) and _is_of_an_interpreter(elf, process, loader):
            unfound = [symbol for symbol in unfound if not _PYTHON_SYMBOL.match(symbol)]
        for symbol in _not_in(unfound, (exported_names(each.exported) for each in process.bundled)):
            verdict = _look_up(symbol, elf, process, loader)
            if verdict == "missing":
                lost.append(symbol)
            elif verdict == "unknown":
                doubtful.append(symbol)
        # In a whole root a library that nobody needs may be a plug-in of a program that is not there: Debian's libc6
        # carries libthread_db.so.1, which wants a debugger's symbols.
        is_plugin = loader.tree.system and not process.starts
        yield from _lost(elf, lost, process, loader, "advice" if is_plugin else "error")
        if doubtful:
            message = (
                f"needs {_list(doubtful)}, and nobody knows which symbols "
                f"{', '.join(_silent(elf, process, loader.provided))} of {box(loader.provided.contract)} has"
            )
            hint = "`edgebuild probe` reads them from a box."
            yield finding("A110", elf, message, hint, "unknown", doubtful[0])


def _is_of_an_interpreter(elf: ElfFacts, process: Process, loader: Loader) -> bool:
    """A module, or a library beside modules that no program brings in: what several modules share, as in pyarrow."""
    return is_python_module(elf) or (not process.starts and any(map(is_python_module, loader.tree.elves)))


def _not_in(symbols: Sequence[str], there: Iterable[frozenset[str]]) -> Sequence[str]:
    """Those that no set has: nearly all are found at once, and set by set takes a tenth of the time."""
    left = frozenset(symbols)
    if not left:
        return symbols
    for names in there:
        left = left - names
        if not left:
            return ()
    return [symbol for symbol in symbols if symbol in left]


def _symbols_of(library: str, provided: Provided) -> tuple[frozenset[str], frozenset[str]]:
    """With versions, and without: a reference without one takes any."""
    return provided.symbols.get(library, frozenset()), provided.names(library)


def _look_up(symbol: str, elf: ElfFacts, process: Process, loader: Loader) -> str:
    """Of a symbol that is in no set: "found", "missing", "unknown" or "elsewhere" (another check's matter)."""
    name, _, node = symbol.partition("@")
    if name in _IGNORED:
        return "elsewhere"
    if node:
        if any(not each.defined_versions and name in exported_names(each.exported) for each in process.bundled):
            return "found"
        return _versioned(node, elf, process, loader.provided)
    provided = loader.provided
    if not process.starts and any(name in each for each in loader.exported):
        return "elsewhere"  # a plug-in: whoever opens it has the symbol
    return "unknown" if _silent(elf, process, provided) else "missing"


def _versioned(node: str, elf: ElfFacts, process: Process, provided: Provided) -> str:
    libraries = [library for library, nodes in elf.needed_versions.items() if node in nodes]
    if not libraries or any(library in process.names for library in libraries):
        bundled = [process.names[library] for library in libraries if library in process.names]
        # A node that is missing altogether is A102.
        return "missing" if any(node in each.defined_versions for each in bundled) else "elsewhere"
    # Without the symbols the node stands for them: libraries with versions only ever add to a node's release.
    for library in libraries:
        if library in provided.symbols and node in provided.nodes(library):
            return "missing"
    return "elsewhere"


def _in_scope(process: Process, provided: Provided) -> list[str]:
    """Libraries of the box that the loader searches for symbols in this process.

    All of them for each symbol: since glibc 2.30 it may have moved to another library than its version need names.
    """
    brought = _ALWAYS_THERE + (_PYTHON_BRINGS if is_python_module(process.root) else ())
    brought += _CXX_BRINGS if _CXX_RUNTIME in process.box else ()
    there = [each for each in brought if each in provided.contract.libraries and each not in process.names]
    return list(dict.fromkeys((*process.box, *there)))


def _silent(elf: ElfFacts, process: Process, provided: Provided) -> list[str]:
    """Libraries of the box that the file was linked with and whose symbols nobody knows.

    One with versions would have given its version to the reference, so those without come first and mostly alone.
    """
    direct = [each for each in elf.needed if each in process.box and each not in provided.symbols]
    return [each for each in direct if not provided.contract.libraries[each]]


def _lost(elf: ElfFacts, symbols: list[str], process: Process, loader: Loader, severity: Severity) -> Iterator[Finding]:
    plain = []
    for symbol in symbols:
        if other := loader.cxx.other_abi(symbol, elf):
            yield other
        else:
            plain.append(symbol)
    if not plain:
        return
    contract = loader.provided.contract
    # A vendor's library without versions: each release adds functions, and nothing but the symbols tells.
    older = [each for each in elf.needed if each in process.box and contract.libraries[each] == {}]
    if older:
        message = f"needs {_list(plain)}, which {' and '.join(older)} of {box(contract)} does not have"
        hint = "the box's SDK is older than the one it was built with: build against the box's, or update the box."
    else:
        message = f"needs {_list(plain)}, which neither {process.root.name}'s libraries nor {box(contract)} have"
        hint = "link what defines it (`-Wl,-z,defs` tells at once), or build against the version that ships."
    yield finding("A110", elf, message, hint, severity, plain[0])


def _list(symbols: list[str]) -> str:
    more = f" and {len(symbols) - _SHOWN} more" if len(symbols) > _SHOWN else ""
    return ", ".join(symbols[:_SHOWN]) + more


def is_python_module(elf: ElfFacts) -> bool:
    if _PYTHON_MODULE.search(elf.name):
        return True
    first = bisect.bisect_left(elf.exported, _PYTHON_START)  # they are sorted
    return first < len(elf.exported) and elf.exported[first].startswith(_PYTHON_START)
