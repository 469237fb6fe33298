"""Undefined symbols: each is looked for where the loader would look, and what is nearly there is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from edgebuild.audit.finding import box, finding
from edgebuild.audit.load import Loader, Process
from edgebuild.model.contract import Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.finding import Finding, Severity

_SHOWN = 3
_PYTHON_SYMBOL = re.compile(r"^_?Py[A-Z_]")
_PYTHON_MODULE = re.compile(r"\.(?:cpython-\w+|abi3)\S*\.so$")
# Every library has them, bound to whatever runtime is there, or resolved by the linker's own stubs.
_IGNORED = frozenset({"__gmon_start__", "_DYNAMIC", "_GLOBAL_OFFSET_TABLE_", "_end", "__bss_start", "_edata"})
# In every process, even where only another library of the box asks for it.
_ALWAYS_THERE = ("libc.so.6",)
# What the interpreter itself is linked with on every box, and what extension modules therefore often don't name.
_PYTHON_BRINGS = ("libm.so.6", "libdl.so.2", "libpthread.so.0", "libutil.so.1")
# Itanium C++ ABI, section 5.1: "_ZN", source names, "E". Enough to see that two symbols are one function's.
_SOURCE_NAME = re.compile(r"(\d+)")
_NEW_STRING, _LLVM_STD = ("St7__cxx11", "B5cxx11"), "St3__1"
_OLD_STRING = re.compile(r"S[sab]|Sbi|St\d*basic_string")


@lru_cache(maxsize=4096)
def exported_names(exported: tuple[str, ...]) -> frozenset[str]:
    """With and without versions: an unversioned reference takes any."""
    return frozenset(exported) | {symbol.partition("@")[0] for symbol in exported}


def check_symbols(process: Process, loader: Loader) -> Iterator[Finding]:
    """A110, and A117 or A118 where the symbol exists for another C++ runtime or string.

    Where a library is missing altogether nothing is said: any symbol could be its.
    """
    if process.missing:
        return
    for elf in process.bundled:
        lost: list[str] = []
        doubtful: list[str] = []
        for symbol in elf.undefined:
            verdict = _look_up(symbol, elf, process, loader)
            if verdict == "missing":
                lost.append(symbol)
            elif verdict == "unknown":
                doubtful.append(symbol)
        # In a whole root a library that nobody needs may be a plug-in of a program that is not there: Debian's libc6
        # carries libthread_db.so.1, which wants a debugger's symbols.
        is_plugin = loader.tree.system and not process.starts
        yield from _lost(elf, lost, process, loader.provided, "advice" if is_plugin else "error")
        if doubtful:
            message = (
                f"needs {_list(doubtful)}, and nobody knows which symbols "
                f"{', '.join(_silent(elf, process, loader.provided))} of {box(loader.provided.contract)} has"
            )
            hint = "`edgebuild probe` reads them from a box."
            yield finding("A110", elf, message, hint, "unknown", doubtful[0])


def _look_up(symbol: str, elf: ElfFacts, process: Process, loader: Loader) -> str:
    """ "found", "missing", "unknown" or "elsewhere" (another check's matter)."""
    name, _, node = symbol.partition("@")
    if name in _IGNORED or (_PYTHON_SYMBOL.match(name) and is_python_module(elf)):
        return "elsewhere"
    for other in process.bundled:
        names = exported_names(other.exported)
        if symbol in names or (node and not other.defined_versions and name in names):
            return "found"
    if node:
        return _versioned(symbol, node, elf, process, loader.provided)
    provided = loader.provided
    if any(name in provided.names(library) for library in _in_scope(process, provided)):
        return "found"
    if not process.starts and any(name in exported_names(each.exported) for each in loader.tree.elves):
        return "elsewhere"  # a plug-in: whoever opens it has the symbol
    return "unknown" if _silent(elf, process, provided) else "missing"


def _versioned(symbol: str, node: str, elf: ElfFacts, process: Process, provided: Provided) -> str:
    libraries = [library for library, nodes in elf.needed_versions.items() if node in nodes]
    if not libraries or any(library in process.names for library in libraries):
        bundled = [process.names[library] for library in libraries if library in process.names]
        # A node that is missing altogether is A102.
        return "missing" if any(node in each.defined_versions for each in bundled) else "elsewhere"
    # Any of them: since glibc 2.30 a node's symbol may have moved to another library than the reference names.
    if any(symbol in provided.symbols.get(library, ()) for library in _in_scope(process, provided)):
        return "found"
    # Without the symbols the node stands for them: libraries with versions only ever add to a node's release.
    for library in libraries:
        if library in provided.symbols and node in provided.nodes(library):
            return "missing"
    return "elsewhere"


def _in_scope(process: Process, provided: Provided) -> list[str]:
    """Libraries of the box that the loader searches for symbols in this process."""
    brought = _ALWAYS_THERE + (_PYTHON_BRINGS if is_python_module(process.root) else ())
    there = [each for each in brought if each in provided.contract.libraries and each not in process.names]
    return list(dict.fromkeys((*process.box, *there)))


def _silent(elf: ElfFacts, process: Process, provided: Provided) -> list[str]:
    """Libraries of the box that the file was linked with and whose symbols nobody knows.

    One with versions would have given its version to the reference, so those without come first and mostly alone.
    """
    direct = [each for each in elf.needed if each in process.box and each not in provided.symbols]
    return [each for each in direct if not provided.contract.libraries[each]]


def _lost(
    elf: ElfFacts, symbols: list[str], process: Process, provided: Provided, severity: Severity
) -> Iterator[Finding]:
    plain = []
    for symbol in symbols:
        if twin := _twin(symbol, process, provided):
            yield _other_abi(elf, symbol, *twin)
        else:
            plain.append(symbol)
    if plain:
        where = f"neither {process.root.name}'s libraries nor {box(provided.contract)}"
        message = f"needs {_list(plain)}, which {where} have"
        hint = "link what defines it (`-Wl,-z,defs` tells at once), or build against the version that ships."
        yield finding("A110", elf, message, hint, severity, plain[0])


def _list(symbols: list[str]) -> str:
    more = f" and {len(symbols) - _SHOWN} more" if len(symbols) > _SHOWN else ""
    return ", ".join(symbols[:_SHOWN]) + more


def is_python_module(elf: ElfFacts) -> bool:
    return bool(_PYTHON_MODULE.search(elf.name)) or any(each.startswith("PyInit_") for each in elf.exported)


# ---- C++ ----


def _twin(symbol: str, process: Process, provided: Provided) -> tuple[str, str] | None:
    """(symbol, library) of the same function for another std::string or C++ runtime."""
    flavour, name = _flavour(symbol), _function(symbol)
    if not flavour or not name:
        return None
    candidates = [(elf.name, elf.exported) for elf in process.bundled]
    candidates += [(library, tuple(provided.symbols.get(library, ()))) for library in process.box]
    for library, exported in candidates:
        for other in exported:
            if other.startswith(name) and _function(other) == name and _flavour(other) not in ("", flavour):
                return other, library
    return None


def _other_abi(elf: ElfFacts, symbol: str, twin: str, library: str) -> Finding:
    flavours = {_flavour(symbol), _flavour(twin)}
    if "libc++" in flavours:
        message = f"needs {symbol}, {library} has {twin}: one side was built with libc++, the other with libstdc++"
        hint = "build both with one C++ runtime, or put a C interface between them."
        return finding("A117", elf, message, hint, symbol=symbol)
    message = f"needs {symbol}, {library} has {twin}: the two sides disagree about std::string"
    value = 0 if _flavour(twin) == "old" else 1
    return finding("A118", elf, message, f"compile with -D_GLIBCXX_USE_CXX11_ABI={value}.", symbol=symbol)


def _flavour(symbol: str) -> str:
    """Whose std:: types are in a mangled name: "libc++", "new" or "old" libstdc++ strings; "" for none."""
    if not symbol.startswith("_Z"):
        return ""
    if _LLVM_STD in symbol:
        return "libc++"
    if any(each in symbol for each in _NEW_STRING):
        return "new"
    return "old" if _OLD_STRING.search(symbol) else ""


def _function(symbol: str) -> str:
    """The mangled name without its parameters: "_ZN4acme6detect" of "_ZN4acme6detectERKSs". "" for what is none."""
    if not symbol.startswith("_Z"):
        return ""
    place = 2
    if symbol[place : place + 1] == "N":
        place += 1
        while symbol[place : place + 1] in ("K", "V"):
            place += 1
    start = place
    while match := _SOURCE_NAME.match(symbol, place):
        place = match.end() + int(match[1])
        if symbol.startswith("B5cxx11", place):
            return symbol[:place]
    return symbol[:place] if place > start else ""
