"""Extension modules and compiled Python of our own make."""

from __future__ import annotations

from tests.truth.bench import Bench, Make, Trials, imported

# As Python.h declares it since 3.2: enough of it for a module without contents. Source: Include/moduleobject.h.
_MODULE = """
#include <stddef.h>
typedef struct { ptrdiff_t references; void *type; void *init; ptrdiff_t index; void *copy; } Base;
static struct { Base base; const char *name, *doc; ptrdiff_t size; void *methods, *slots, *traverse, *clear, *free; }
    module = {{1}, "m", NULL, -1};
extern void *PyModule_Create2(void *definition, int api_version);
%s
void *PyInit_m(void) { void *result = PyModule_Create2(&module, 1013); %s; return result; }
"""
_SUFFIXES = {
    "cp39": ".cpython-39-aarch64-linux-gnu.so",
    "cp311": ".cpython-311-aarch64-linux-gnu.so",
    "cp313": ".cpython-313-aarch64-linux-gnu.so",
    "cp313t": ".cpython-313t-aarch64-linux-gnu.so",
    "abi3": ".abi3.so",
    "desk": ".cpython-311-x86_64-linux-gnu.so",
}


def extension(suffix: str, declared: str = "", used: str = "") -> Make:
    """A module with one more function of Python's. used: a statement in its start."""

    def make(bench: Bench) -> Trials:
        bench.library(f"m{_SUFFIXES[suffix]}", _MODULE % (declared, used), "-Wl,-soname,m.so")
        return imported("m")

    return make


CASES: dict[str, Make] = {
    "extension-cp39": extension("cp39"),
    "extension-cp311": extension("cp311"),
    "extension-cp313": extension("cp313"),
    "extension-cp313t": extension("cp313t"),
    "extension-desk-name": extension("desk"),
    "extension-abi3": extension("abi3"),
    # In the stable ABI from 3.10, and from 3.13 on. Source: Python's Misc/stable_abi.toml.
    "extension-abi3-of-3.10": extension(
        "abi3",
        "extern int PyModule_AddObjectRef(void *, const char *, void *);",
        'PyModule_AddObjectRef(result, "x", result)',
    ),
    "extension-abi3-of-3.13": extension(
        "abi3",
        "extern int PyModule_Add(void *, const char *, void *);",
        "(void)(result ? 0 : PyModule_Add(result, 0, 0))",
    ),
    # Outside the stable ABI, and gone in 3.13. Source: "What's New In Python 3.13", C API, removed functions.
    "extension-abi3-private": extension(
        "abi3", "extern int _PyTime_GetSystemClock(void);", "(void)(result ? 0 : _PyTime_GetSystemClock())"
    ),
    "extension-cp311-nobody-has": extension("cp311", "extern int PyEdge_NoSuch(void);", "PyEdge_NoSuch()"),
}
