"""C++ across libraries: the same function, mangled for another std::string or another C++ runtime.

Itanium C++ ABI, section 5.1. libstdc++ has two strings: std::__cxx11::basic_string marks itself in parameters, and
functions that return it with [abi:cxx11] ("B5cxx11"); libc++ has its own namespace std::__1.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from edgebuild.audit.finding import finding
from edgebuild.model.elf import ElfFacts
from edgebuild.model.finding import Finding

_SOURCE_NAME = re.compile(r"(\d+)")
_NEW_STRING, _LLVM_STD = ("St7__cxx11", "B5cxx11"), "St3__1"
_OLD_STRING = re.compile(r"S[sab]|Sbi|St\d*basic_string")
_TAG = "B5cxx11"


class CxxSymbols:
    """What libraries export, by function. exported: (library, its symbols)."""

    def __init__(self, exported: Iterable[tuple[str, Iterable[str]]]) -> None:
        self._exported = tuple(exported)

    @cached_property
    def _by_function(self) -> Mapping[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for library, symbols in self._exported:
            for symbol in symbols:
                if function := function_of(symbol):
                    found[function].append((symbol, library))
        return found

    def other_abi(self, symbol: str, elf: ElfFacts) -> Finding | None:
        """A117 or A118 where a library has what `symbol` means, for the other runtime or string."""
        twins = self._by_function.get(function_of(symbol), []) if symbol.startswith("_Z") else []
        for twin, library in twins:
            mine, its = flavour(symbol), flavour(twin)
            tagged = (_TAG in symbol) != (_TAG in twin) and symbol.replace(_TAG, "") == twin.replace(_TAG, "")
            if not tagged and (not mine or not its or mine == its):
                continue
            if "libc++" in (mine, its):
                message = f"needs {symbol}, {library} has {twin}: one side has libc++, the other libstdc++"
                hint = "build both with one C++ runtime, or put a C interface between them."
                return finding("A117", elf, message, hint, symbol=symbol)
            value = 1 if its == "new" else 0
            message = f"needs {symbol}, {library} has {twin}: the two sides disagree about std::string"
            hint = f"compile {elf.name} with -D_GLIBCXX_USE_CXX11_ABI={value}, as {library} was."
            return finding("A118", elf, message, hint, symbol=symbol)
        return None


def flavour(symbol: str) -> str:
    """Whose std:: types are in a mangled name: "libc++", "new" or "old" libstdc++ strings; "" for none."""
    if not symbol.startswith("_Z"):
        return ""
    if _LLVM_STD in symbol:
        return "libc++"
    if any(each in symbol for each in _NEW_STRING):
        return "new"
    return "old" if _OLD_STRING.search(symbol) else ""


def function_of(symbol: str) -> str:
    """The mangled name without its parameters: "_ZN4acme6detect" of "_ZN4acme6detectERKSs". "" for what is none."""
    if not symbol.startswith("_Z"):
        return ""
    place = 2
    if symbol[place : place + 1] == "N":
        place += 1
        while symbol[place : place + 1] in ("K", "V"):
            place += 1
    start = place
    while (match := _SOURCE_NAME.match(symbol, place)) and not symbol.startswith(_TAG, place):
        place = match.end() + int(match[1])
    return symbol[:place] if place > start else ""
