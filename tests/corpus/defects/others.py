"""Files that are no ELF files and can still fail: scripts, archives, models, and too many of them."""

from __future__ import annotations

from pathlib import Path

import onnx

from tests.corpus.model import HOME, Expect, Group, Made
from tests.corpus.shop import Shop

GROUP = Group("Other files")
SCRIPT = 0o755
INSTALL = ("install|box|interpreter|program|change",)


@GROUP.defect(Expect("A125", "bin/report", ("/usr/bin/perl",), INSTALL), contract="debian-12-box")
def script_without_its_interpreter(shop: Shop) -> None:
    """A Perl script for a box without Perl."""
    _with_program(shop)
    shop.write("bin/report", "#!/usr/bin/perl -w\nprint 1;\n", mode=SCRIPT)


@GROUP.defect(Expect("A125", "bin/dashboard", ("node",), INSTALL), contract="debian-12-box")
def script_that_env_cannot_find(shop: Shop) -> None:
    """/usr/bin/env is there, and the program that it is to find is not."""
    _with_program(shop)
    shop.write("bin/dashboard", "#!/usr/bin/env node\nconsole.log(1)\n", mode=SCRIPT)


@GROUP.defect(
    Expect("A125", "bin/start", ("carriage|\\r|CR|line end|Windows",), ("line end|dos2unix|LF|CR|carriage",)),
    contract="debian-12-box",
)
def script_with_windows_line_ends(shop: Shop) -> None:
    """Checked out with CRLF: the kernel looks for an interpreter called "/bin/sh\\r"."""
    _with_program(shop)
    shop.write("bin/start", "#!/bin/sh\r\nexec bin/tool\r\n", mode=SCRIPT)


@GROUP.defect(Expect("A125", "bin/fastctl", (f"{HOME}/venv/bin/python3",), INSTALL), contract="debian-12-box")
def script_of_a_virtual_environment(shop: Shop) -> None:
    """pip wrote the build machine's virtual environment into the first line."""
    _with_program(shop)
    shop.write("bin/fastctl", f"#!{HOME}/venv/bin/python3\nprint(1)\n", mode=SCRIPT)


@GROUP.defect(Expect("A125", "bin/start", ("/bin/sh",), ("probe|contract",), severity="unknown"), contract="silent-box")
def script_on_an_unknown_box(shop: Shop) -> None:
    """Nobody has written down which programs the box has; not even a shell is taken for granted."""
    shop.zig("bin/tool", "int main(void) { return 0; }\n")
    shop.write("bin/start", "#!/bin/sh\nexec bin/tool\n", mode=SCRIPT)


@GROUP.defect(Expect("A101", "usr/bin/tool", ("x86.64", "aarch64")), contract="debian-12-box")
def package_with_host_code(shop: Shop) -> Path:
    """A Debian package that says arm64 and was packed from the host's build folder."""
    shop.zig("usr/bin/tool", "int main(void) { return 0; }\n", arch="x86_64")
    return shop.deb("tool", "arm64")


@GROUP.defect(
    Expect("A127", "lib/libfilter.a", ("x86.64", "aarch64"), ("build|compile|cross",)), contract="debian-12-box"
)
def static_library_of_the_host(shop: Shop) -> None:
    """An SDK for people who link on the box has the host's static library in it."""
    _with_program(shop)
    _archive(shop, "x86_64")


@GROUP.defect(Expect("A127", "lib/libfilter.a", ("x86.64",), ("build|compile|cross|member",)), contract="debian-12-box")
def one_host_member_in_a_static_library(shop: Shop) -> None:
    """The build did not notice an object left from a build for the host, and archived it with the others."""
    _with_program(shop)
    _archive(shop, "aarch64", "x86_64", "aarch64")


@GROUP.defect(
    Expect("A120", "detect.onnx", ("21", "17"), ("convert|export|operator|opset|version",)), contract="onnx-box"
)
def model_of_newer_operators(shop: Shop) -> Made:
    """The model was exported with operator set 21; the box's runtime knows 17."""
    _with_program(shop)
    model = shop.folder / "detect.onnx"
    model.write_bytes(_onnx(21))
    return Made(shop.tree, ("--model", str(model)))


@GROUP.defect(
    Expect("A120", "share/detect.onnx", ("model|contract|runtime",), ("probe|contract|model",), severity="unknown"),
    contract="silent-box",
)
def model_for_an_unknown_runtime(shop: Shop) -> None:
    """A model among the files; nobody has written down what the box runs models with."""
    shop.zig("bin/tool", "int main(void) { return 0; }\n")
    shop.write("share/detect.onnx", _onnx(17))


@GROUP.defect(Expect("A135", "", ("MB|bytes|MiB",), ("space|smaller|free",)), contract="full-disk")
def larger_than_the_disk(shop: Shop) -> None:
    """The folder takes 4 MB, the box has 3 MB left."""
    shop.zig("bin/tool", "int main(void) { return 0; }\n")
    shop.write("share/map.bin", bytes(range(256)) * 16_000)


@GROUP.defect(Expect("A135", "", ("free",), ("df|contract|probe",), severity="unknown"), contract="unmeasured-disk")
def folder_for_an_unmeasured_disk(shop: Shop) -> None:
    """Small as it is: nobody has written down what is free on the box."""
    _with_program(shop)


def _with_program(shop: Shop) -> None:
    shop.gcc("bin/tool", "int main(void) { return 0; }\n")


def _archive(shop: Shop, *arches: str) -> None:
    members = []
    for index, arch in enumerate(arches):
        source = f"int part{index}(void) {{ return {index}; }}\n"
        members.append(shop.zig(shop.bench / f"part{index}.o", source, "-c", arch=arch))
    shop.call("aarch64-linux-gnu-ar", "rcs", shop.place("lib/libfilter.a"), *members)


def _onnx(operator_set: int) -> bytes:
    """A ModelProto with ir_version 8, a graph without nodes, and one opset_import of the default domain."""
    model = onnx.helper.make_model(
        onnx.helper.make_graph([], "empty", [], []),
        opset_imports=[onnx.helper.make_opsetid("", operator_set)],
        ir_version=8,
    )
    data: bytes = model.SerializeToString()
    return data
