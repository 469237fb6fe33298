"""Python's C interface: what a module may use by what it declares (A123).

The stable ABI is that of abi3info, which is generated from CPython's Misc/stable_abi.toml; abi3audit uses it, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from edgebuild.audit.finding import box, finding
from edgebuild.audit.load import file_names
from edgebuild.audit.python_modules import Module, exported_python, imports, python_symbols
from edgebuild.model.contract import Provided, PythonFacts
from edgebuild.model.elf import ElfFacts, parse_version
from edgebuild.model.finding import Finding, Severity
from edgebuild.model.tree import TreeFacts, WheelFacts

_SHOWN = 3
_ABI3_TAG = re.compile(r"cp3(\d+)-abi3t?-")
_CPYTHON_TAG = re.compile(r"cp3(\d+)-")
_SAMPLE = "PyLong_FromLong"  # that every interpreter's own file exports; a start program that only links libpython not


# Exported by CPython before they joined the stable ABI, which many modules use all the same. Source: dynamic symbols of
# Debian's python3.9 (3.9.2), python3.11 (3.11.2) and python3.13 (3.13.5), against stable_abi().
_EXPORTED_EARLIER = {
    (3, 9): """
        PyBuffer_FillContiguousStrides PyBuffer_FillInfo PyBuffer_FromContiguous PyBuffer_GetPointer
        PyBuffer_IsContiguous PyBuffer_Release PyBuffer_SizeFromFormat PyBuffer_ToContiguous PyFrame_GetCode
        PyFrame_GetLineNumber PyMem_RawCalloc PyMem_RawFree PyMem_RawMalloc PyMem_RawRealloc PyMemoryView_FromBuffer
        PyModule_AddType PyObject_CallFinalizerFromDealloc PyObject_CallNoArgs PyObject_CheckBuffer PyObject_CopyData
        PyObject_GenericGetDict PyObject_GetBuffer PyObject_VectorcallMethod PySys_Audit PyThreadState_GetFrame
        PyThreadState_GetID PyThreadState_GetInterpreter PyType_FromModuleAndSpec PyType_GetModule
        PyType_GetModuleState PyUnicode_AsUTF8AndSize PyVectorcall_Call Py_FileSystemDefaultEncodeErrors
        Py_GetArgcArgv""",
    (3, 11): "PyObject_Vectorcall PyType_GetModuleByDef",
    (3, 13): """
        PyCriticalSection2_Begin PyCriticalSection2_End PyCriticalSection_Begin PyCriticalSection_End
        PyDict_SetDefaultRef PyLong_AsNativeBytes PyLong_FromNativeBytes PyLong_FromUnsignedNativeBytes""",
}


@lru_cache(maxsize=1)
def exported_since() -> Mapping[str, tuple[int, ...]]:
    """Symbol of the stable ABI -> a Python from which on every one exports it."""
    earlier = {name: version for version, names in _EXPORTED_EARLIER.items() for name in names.split()}
    return {**stable_abi(), **earlier}


@lru_cache(maxsize=1)
def stable_abi() -> Mapping[str, tuple[int, ...]]:
    """Symbol -> first Python whose stable ABI has it. Loaded when the first such module is met: it takes 30 ms."""
    import abi3info  # type: ignore[import-untyped]

    return {
        symbol.name: (each.added.major, each.added.minor)
        for table in (abi3info.FUNCTIONS, abi3info.DATAS)
        for symbol, each in table.items()
    }


def check_abi(
    modules: Sequence[Module], pythons: tuple[PythonFacts, ...] | None, tree: TreeFacts, provided: Provided
) -> Iterator[Finding]:
    if not modules:
        return
    own = {symbol for elf in tree.elves for symbol in exported_python(elf)}
    by_name = {name: elf for elf in tree.elves for name in file_names(elf)}
    floor, by_tag = _declared(tree.wheel)
    known = {python.version: _exports(python, tree, provided) for python in pythons or ()}
    for module in modules:
        symbols = python_symbols(module.elf) - own
        if _lacks_library(module.elf, by_name, provided):
            # Bindings generators have a library with functions called Py... in a wheel of its own.
            symbols &= stable_abi().keys()
        if module.is_abi3 or (by_tag and not module.soabi):
            importing = [each.version for each in pythons or () if imports(each, module, provided.contract)]
            fitting = {each: known[each] for each in importing if parse_version(each) >= floor}
            yield from _beyond_stable(module, symbols, floor, pythons, fitting)
        else:
            yield from _beyond_box(module, symbols, pythons, known, provided)


def _lacks_library(elf: ElfFacts, by_name: Mapping[str, ElfFacts], provided: Provided) -> bool:
    """Whether it needs, itself or through others, a library that is neither in the tree nor on the box."""
    queue, seen = [elf], {elf.name}
    for each in queue:  # grows while we walk it
        for library in each.needed:
            found = by_name.get(library)
            if found is None and library not in provided.contract.libraries:
                return True
            if found and found.name not in seen:
                seen.add(found.name)
                queue.append(found)
    return False


def _declared(wheel: WheelFacts | None) -> tuple[tuple[int, ...], bool]:
    """Oldest Python that the wheel's tags let in, () where none does; whether a tag says abi3."""
    tags = wheel.tags if wheel else ()
    abi3 = [int(match[1]) for tag in tags if (match := _ABI3_TAG.match(tag))]
    minors = abi3 or [int(match[1]) for tag in tags if (match := _CPYTHON_TAG.match(tag))]
    return ((3, min(minors)) if minors else ()), bool(abi3)


def _beyond_stable(
    module: Module,
    symbols: frozenset[str],
    floor: tuple[int, ...],
    pythons: tuple[PythonFacts, ...] | None,
    fitting: Mapping[str, frozenset[str]],
) -> Iterator[Finding]:
    """floor: (): nothing is declared but abi3 itself, so the newest of the box's Pythons has to do.

    fitting: version of each Python that would import the module -> what it exports, empty where nobody knows.
    """
    stable = stable_abi()
    if outside := sorted(symbols - stable.keys()):
        message = f"is declared abi3 and uses {_list(outside)}, which the stable ABI does not have"
        hint = "compile with Py_LIMITED_API, or name and tag it for one Python (cp311-cp311)."
        yield finding("A123", module.elf, message, hint, symbol=outside[0])
    limit = floor or max((parse_version(each.version) for each in pythons or ()), default=())
    if later := sorted(name for name in symbols & stable.keys() if limit and stable[name] > limit):
        first = ".".join(map(str, max(stable[name] for name in later)))
        declared = f"is declared for Python {_dotted(floor)} and later" if floor else f"meets Python {_dotted(limit)}"
        message = f"{declared} and uses {_list(later)}, in the stable ABI since {first} only"
        hint = f"set Py_LIMITED_API to 3.{limit[1]} when compiling, or tag it for Python {first} and later."
        # A broken promise to older Pythons, but no harm where the box's own have these symbols.
        is_there = bool(fitting) and all(_has(*python, later) for python in fitting.items())
        severity: Severity = "advice" if is_there else "error"
        yield finding("A123", module.elf, message, hint, severity, symbol=later[0])


def _has(version: str, exports: frozenset[str], names: Sequence[str]) -> bool:
    """By what it exports where that is known, else by what every Python of that version does."""
    if exports:
        return exports.issuperset(names)
    return all(exported_since()[name] <= parse_version(version) for name in names)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _beyond_box(
    module: Module,
    symbols: frozenset[str],
    pythons: tuple[PythonFacts, ...] | None,
    known: Mapping[str, frozenset[str]],
    provided: Provided,
) -> Iterator[Finding]:
    """Where the symbols of every Python that would import it are known and none has all of them."""
    importing = [each for each in pythons or () if imports(each, module, provided.contract)]
    if not importing or not symbols or not all(known[each.version] for each in importing):
        return
    missing = [sorted(symbols - known[each.version]) for each in importing]
    if all(missing):
        names = ", ".join(each.version for each in importing)
        message = f"uses {_list(missing[0])}, which Python {names} of {box(provided.contract)} does not have"
        yield finding("A123", module.elf, message, "build it for that Python.", symbol=missing[0][0])


def _exports(python: PythonFacts, tree: TreeFacts, provided: Provided) -> frozenset[str]:
    """What the interpreter exports, by its file in the tree or its library on the box; empty where nobody knows."""
    library, program = f"libpython{python.version}", f"bin/python{python.version}"
    for elf in tree.elves:
        if elf.soname.startswith(library) or any(each.endswith(program) for each in (elf.name, *elf.also)):
            names = frozenset(symbol.partition("@")[0] for symbol in elf.exported)
            if _SAMPLE in names:
                return names
    for soname in provided.symbols:
        if soname.startswith(f"{library}.so") and _SAMPLE in provided.names(soname):
            return provided.names(soname)
    return frozenset()


def _list(symbols: Sequence[str]) -> str:
    more = f" and {len(symbols) - _SHOWN} more" if len(symbols) > _SHOWN else ""
    return ", ".join(symbols[:_SHOWN]) + more
