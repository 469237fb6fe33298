"""Wheels and Python modules: what the tag says, what the module is, and which Python the box has."""

from __future__ import annotations

import py_compile
import struct
from pathlib import Path

from tests.corpus.model import Expect, Group
from tests.corpus.shop import Shop
from tests.corpus.wheels import Files, write_wheel

GROUP = Group("Python")
LINUX = "manylinux_2_17_aarch64"
MODULE = (
    "void *PyModule_Create2(void *, int);\n{more}"
    "void *PyInit__fast(void) {{ return {first}PyModule_Create2(0, 1013); }}\n"
)
PLAIN = MODULE.format(more="", first="")
TAG = ("tag|build|rename|platform|wheel",)


def module(shop: Shop, source: str = PLAIN) -> Path:
    """An extension module of GNU C that needs GLIBC_2.17 at most."""
    return shop.library(shop.bench / "_fast.so", source)


@GROUP.defect(
    Expect("A121", "fast/_fast.cpython-311-aarch64-linux-gnu.so", ("cp39", "311"), TAG), contract="debian-11-box"
)
def module_of_another_python_than_the_tag(shop: Shop) -> Path:
    """Built with 3.11, tagged cp39: pip installs it, and import does not find it."""
    files: Files = {"fast/__init__.py": b"", "fast/_fast.cpython-311-aarch64-linux-gnu.so": module(shop)}
    return write_wheel(shop.tree, f"cp39-cp39-{LINUX}", files)


@GROUP.defect(
    Expect("A121", "fast/_fast.cpython-311-aarch64-linux-gnu.so", ("x86.64", "aarch64"), TAG),
    contract="debian-12-box",
    also=("A101",),
)
def host_module_in_a_wheel_for_arm(shop: Shop) -> Path:
    """The cross build named everything for aarch64 and compiled with the host's compiler."""
    host = shop.zig(shop.bench / "_fast.so", PLAIN, "-shared", "-fPIC", arch="x86_64")
    files = {"fast/_fast.cpython-311-aarch64-linux-gnu.so": host}
    return write_wheel(shop.tree, f"cp311-cp311-{LINUX}", files)


@GROUP.defect(Expect("A121", "fast/_fast.cpython-311-x86_64-linux-gnu.so", ("x86.64",), TAG), contract="debian-12-box")
def module_named_for_the_host(shop: Shop) -> Path:
    """Right machine code under the host's EXT_SUFFIX: the box's import system looks for another name."""
    files = {"fast/_fast.cpython-311-x86_64-linux-gnu.so": module(shop)}
    return write_wheel(shop.tree, f"cp311-cp311-{LINUX}", files)


@GROUP.defect(Expect("A121", "", ("any|pure",), TAG), contract="debian-12-box")
def machine_code_in_a_pure_wheel(shop: Shop) -> Path:
    """py3-none-any with a shared library in it: it installs everywhere and loads on one machine."""
    files: Files = {"fast/__init__.py": b"", "fast/libfast.so": module(shop)}
    return write_wheel(shop.tree, "py3-none-any", files, pure=True)


@GROUP.defect(Expect("A121", "", ("WHEEL|tag", "cp310|cp311"), TAG), contract="debian-12-box")
def renamed_wheel(shop: Shop) -> Path:
    """The file was renamed to fit; the tag inside still says cp310."""
    files = {"fast/_fast.abi3.so": module(shop)}
    return write_wheel(shop.tree, f"cp311-cp311-{LINUX}", files, stated=f"cp310-cp310-{LINUX}")


@GROUP.defect(
    Expect("A122", "", ("manylinux_2_17|2.17", "GLIBC_2.34|2.34"), ("manylinux_2_34|2.34|auditwheel|older|tag",)),
    contract="debian-12-box",
)
def promises_too_old_a_system(shop: Shop) -> Path:
    """Tagged manylinux_2_17, and calls pthread_create() of GLIBC_2.34: pip will install it where it cannot load."""
    more = "int pthread_create(void *, void *, void *, void *);\n"
    files = {
        "fast/_fast.cpython-311-aarch64-linux-gnu.so": module(
            shop, MODULE.format(more=more, first="pthread_create(0, 0, 0, 0) ? 0 : ")
        )
    }
    return write_wheel(shop.tree, f"cp311-cp311-{LINUX}", files)


@GROUP.defect(
    Expect("A123", "fast/_fast.abi3.so", ("_PyLong_AsByteArray",), ("abi3|limited|Py_LIMITED_API",)),
    contract="debian-12-box",
)
def private_function_under_abi3(shop: Shop) -> Path:
    """Declares the stable ABI and calls a function that CPython keeps for itself."""
    return _stable(shop, "_PyLong_AsByteArray")


@GROUP.defect(
    Expect("A123", "fast/_fast.abi3.so", ("PyModule_AddObjectRef", "3.10", "3.9|cp39"), ("3.10|cp310|limited",)),
    contract="debian-11-box",
)
def newer_function_under_abi3(shop: Shop) -> Path:
    """Declares the stable ABI of 3.9 and calls a function of 3.10, for a box whose Python is 3.9."""
    return _stable(shop, "PyModule_AddObjectRef")


@GROUP.defect(
    Expect("A123", "fast/_fast.abi3.so", ("PyUnicode_AsUTF8AndSize", "3.10"), severity="advice"),
    contract="debian-12-box",
)
def newer_function_under_abi3_on_a_newer_python(shop: Shop) -> Path:
    """Declares 3.9 and calls what is stable from 3.10 on, as wheels of well-known projects do; the box has 3.11."""
    return _stable(shop, "PyUnicode_AsUTF8AndSize")


@GROUP.defect(Expect("A124", "", ("cp39|3.9", "3.11"), ("3.11|cp311|abi3|that Python",)), contract="debian-12-box")
def wheel_for_an_older_python(shop: Shop) -> Path:
    """A cp39 wheel for a box that has Python 3.11."""
    files = {"fast/_fast.cpython-39-aarch64-linux-gnu.so": module(shop)}
    return write_wheel(shop.tree, f"cp39-cp39-{LINUX}", files)


@GROUP.defect(Expect("A124", "", ("cp312|3.12", "3.11"), ("3.11|cp311|lower|older|build",)), contract="debian-12-box")
def stable_abi_of_a_newer_python(shop: Shop) -> Path:
    """abi3 from 3.12 on; the box has 3.11."""
    files = {"fast/_fast.abi3.so": module(shop)}
    return write_wheel(shop.tree, f"cp312-abi3-{LINUX}", files)


@GROUP.defect(Expect("A124", "", ("cp313t|free|313t",)), contract="debian-13-box")
def wheel_for_the_free_threaded_python(shop: Shop) -> Path:
    """cp313t: of the right minor, for the build without the global lock, which the box does not have."""
    files = {"fast/_fast.cpython-313t-aarch64-linux-gnu.so": module(shop)}
    return write_wheel(shop.tree, f"cp313-cp313t-{LINUX}", files)


@GROUP.defect(
    Expect("A124", "lib/fast/_fast.cpython-39-aarch64-linux-gnu.so", ("3.9|39", "3.11"), ("3.11|311|build",)),
    contract="debian-12-box",
)
def module_for_an_older_python_in_a_folder(shop: Shop) -> None:
    """The same without a wheel around it: a folder of site-packages copied from another box."""
    shop.write("lib/fast/__init__.py", "from ._fast import *\n")
    module(shop).rename(shop.place("lib/fast/_fast.cpython-39-aarch64-linux-gnu.so"))


@GROUP.defect(Expect("A124", "", ("Python",), ("probe|contract",), severity="unknown"), contract="silent-box")
def wheel_for_an_unknown_python(shop: Shop) -> Path:
    """Nobody has written down which Python the box has."""
    files = {"fast/_fast.cpython-39-aarch64-linux-gnu.so": module(shop)}
    return write_wheel(shop.tree, f"cp39-cp39-{LINUX}", files)


@GROUP.defect(Expect("A126", "lib/secret.pyc", ("3.8", "3.11"), ("3.11|source|compile",)), contract="debian-12-box")
def compiled_code_of_another_python(shop: Shop) -> None:
    """Sources were left out on purpose, and the .pyc is of Python 3.8: "bad magic number" on the box."""
    _compiled(shop, 3413)


@GROUP.defect(
    Expect("A126", "lib/secret.pyc", ("3.8",), ("probe|contract",), severity="unknown"), contract="silent-box"
)
def compiled_code_for_an_unknown_python(shop: Shop) -> None:
    """The same; nobody has written down which Python the box has."""
    _compiled(shop, 3413)


@GROUP.defect(
    Expect("A103", "fast/_fast.cpython-311-aarch64-linux-gnu.so", ("libc.so",)),
    contract="debian-12-box",
    also=("A121", "A122", "A124"),
)
def wheel_for_musl(shop: Shop) -> Path:
    """A musllinux wheel, whose module needs musl's libc.so, for a glibc box."""
    source = PLAIN + 'int puts(const char *);\nint say(void) { return puts(""); }\n'
    made = shop.zig(shop.bench / "_fast.so", source, "-shared", "-fPIC", libc="musl")
    files = {"fast/_fast.cpython-311-aarch64-linux-gnu.so": made}
    return write_wheel(shop.tree, "cp311-cp311-musllinux_1_2_aarch64", files)


def _stable(shop: Shop, function: str) -> Path:
    source = MODULE.format(more=f"void *{function}(void *);\n", first=f"{function}(0) ? 0 : ")
    files = {"fast/_fast.abi3.so": module(shop, source)}
    return write_wheel(shop.tree, f"cp39-abi3-{LINUX}", files)


def _compiled(shop: Shop, magic: int) -> None:
    """Compiled here, with the magic number of another minor: Lib/importlib/_bootstrap_external.py lists them."""
    shop.zig("bin/tool", "int main(void) { return 0; }\n")
    source = shop.bench / "secret.py"
    source.write_text("KEY = 42\n")
    target = shop.place("lib/secret.pyc")
    py_compile.compile(str(source), cfile=str(target), dfile="secret.py", doraise=True)
    data = bytearray(target.read_bytes())
    struct.pack_into("<H", data, 0, magic)
    target.write_bytes(data)
