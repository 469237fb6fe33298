"""Folders of our own make: where the loader looks, and what it finds there."""

from __future__ import annotations

from pathlib import Path

from tests.corpus.elf_edit import ElfEdit
from tests.truth.bench import Bench, Make, Trials, load, start

_DT_RPATH, _DT_RUNPATH = 15, 29
_MAIN_F = "int f(void);\nint main(void) { return f() - 7; }\n"
_F = "int f(void) { return 7; }\n"
_F_CALLS_G = "int g(void);\nint f(void) { return g(); }\n"
_G = "int g(void) { return 7; }\n"


def _as_rpath(path: Path) -> None:
    """zig writes RUNPATH whatever it is asked."""
    edit = ElfEdit(path)
    value = next(value for _, tag, value in edit.dynamic() if tag == _DT_RUNPATH)
    edit.set_dynamic(_DT_RUNPATH, _DT_RPATH, value)
    edit.save()


def _bundled(runpath: str, place: str = "lib/libf.so.1") -> Make:
    """A program in bin/ with one library."""

    def make(bench: Bench) -> Trials:
        library = bench.library(place, _F)
        bench.program("bin/program", _MAIN_F, library, *([f"-Wl,-rpath,{runpath}"] if runpath else []))
        return start("bin/program")

    return make


def _chain(*, rpath: bool) -> Make:
    """The program's library needs another one and has no search path of its own."""

    def make(bench: Bench) -> Trials:
        g = bench.library("lib/libg.so.1", _G)
        f = bench.library("lib/libf.so.1", _F_CALLS_G, g)
        program = bench.program("bin/program", _MAIN_F, f, "-Wl,-rpath,$ORIGIN/../lib", "-Wl,--allow-shlib-undefined")
        if rpath:
            _as_rpath(program)
        return start("bin/program")

    return make


def chain_own_runpath(bench: Bench) -> Trials:
    g = bench.library("lib/libg.so.1", _G)
    f = bench.library("lib/libf.so.1", _F_CALLS_G, g, "-Wl,-rpath,$ORIGIN")
    bench.program("bin/program", _MAIN_F, f, "-Wl,-rpath,$ORIGIN/../lib", "-Wl,--allow-shlib-undefined")
    return start("bin/program")


def chain_loaded_before(bench: Bench) -> Trials:
    """Nobody leads libf to libg, but the program has already brought it."""
    g = bench.library("lib/libg.so.1", _G)
    f = bench.library("lib/libf.so.1", _F_CALLS_G, g)
    source = "int f(void), g(void);\nint main(void) { return f() - g(); }\n"
    bench.program("bin/program", source, g, f, "-Wl,-rpath,$ORIGIN/../lib")
    return start("bin/program")


def chain_loaded_after(bench: Bench) -> Trials:
    """The same in the other order: breadth first, so libg is there before libf asks."""
    g = bench.library("lib/libg.so.1", _G)
    f = bench.library("lib/libf.so.1", _F_CALLS_G, g)
    source = "int f(void), g(void);\nint main(void) { return f() - g(); }\n"
    bench.program("bin/program", source, f, g, "-Wl,-rpath,$ORIGIN/../lib")
    return start("bin/program")


def rpath_stops_at_runpath(bench: Bench) -> Trials:
    """libf has a RUNPATH that leads nowhere, so the program's RPATH is not asked for libg."""
    g = bench.library("lib/libg.so.1", _G)
    f = bench.library("lib/libf.so.1", _F_CALLS_G, g, "-Wl,-rpath,$ORIGIN/nowhere")
    program = bench.program("bin/program", _MAIN_F, f, "-Wl,-rpath,$ORIGIN/../lib", "-Wl,--allow-shlib-undefined")
    _as_rpath(program)
    return start("bin/program")


def soname_link(bench: Bench) -> Trials:
    library = bench.library("lib/libf.so.1.2.3", _F, "-Wl,-soname,libf.so.1")
    bench.program("bin/program", _MAIN_F, library, "-Wl,-rpath,$ORIGIN/../lib")
    (bench.folder / "lib/libf.so.1").symlink_to("libf.so.1.2.3")
    return start("bin/program")


def soname_without_link(bench: Bench) -> Trials:
    library = bench.library("lib/libf.so.1.2.3", _F, "-Wl,-soname,libf.so.1")
    bench.program("bin/program", _MAIN_F, library, "-Wl,-rpath,$ORIGIN/../lib")
    return start("bin/program")


def dangling_link(bench: Bench) -> Trials:
    soname_link(bench)
    (bench.folder / "lib/libf.so.1.2.3").unlink()
    return start("bin/program")


def linked_folder(bench: Bench) -> Trials:
    """RUNPATH names a folder that is a link."""
    library = bench.library("lib64/libf.so.1", _F)
    bench.program("bin/program", _MAIN_F, library, "-Wl,-rpath,$ORIGIN/../lib")
    (bench.folder / "lib").symlink_to("lib64")
    return start("bin/program")


def linked_program(bench: Bench) -> Trials:
    """$ORIGIN is of the file itself, not of the link that started it."""
    library = bench.library("app/lib/libf.so.1", _F)
    bench.program("app/bin/program", _MAIN_F, library, "-Wl,-rpath,$ORIGIN/../lib")
    bench.place("bin/program").symlink_to("../app/bin/program")
    return start("app/bin/program")


def wrong_machine(bench: Bench) -> Trials:
    """The library beside it was built for the desk."""
    library = bench.library(str(bench.scratch / "full/libf.so.1"), _F)
    bench.library("lib/libf.so.1", _F, "-target", "x86_64-linux-gnu.2.31", "-mcpu=x86_64")
    bench.program("bin/program", _MAIN_F, library, "-Wl,-rpath,$ORIGIN/../lib")
    return start("bin/program")


def missing_function(bench: Bench) -> Trials:
    """The bundled library is an older one without g."""
    full = bench.library(str(bench.scratch / "full/libf.so.1"), _F + _G)
    bench.library("lib/libf.so.1", _F)
    source = "int f(void), g(void);\nint main(void) { return f() - g(); }\n"
    bench.program("bin/program", source, full, "-Wl,-rpath,$ORIGIN/../lib")
    return start("bin/program")


def missing_weak_function(bench: Bench) -> Trials:
    full = bench.library(str(bench.scratch / "full/libf.so.1"), _F + _G)
    bench.library("lib/libf.so.1", _F)
    source = "int f(void); int g(void) __attribute__((weak));\nint main(void) { return f() - 7 + (g ? 0 : 0); }\n"
    bench.program("bin/program", source, full, "-Wl,-rpath,$ORIGIN/../lib")
    return start("bin/program")


def missing_data(bench: Bench) -> Trials:
    full = bench.library(str(bench.scratch / "full/libf.so.1"), "int table[8] = {7};\n" + _F)
    bench.library("lib/libf.so.1", _F)
    source = "extern int table[8];\nint *h(void) { return table; }\n"
    bench.library("lib/libh.so.1", source, full, "-Wl,-rpath,$ORIGIN")
    return load("lib/libh.so.1")


def missing_node(bench: Bench) -> Trials:
    """Linked against V2, shipped with V1."""
    both = bench.script("V1 { f; };\nV2 { g; } V1;\n")
    full = bench.library(str(bench.scratch / "full/libf.so.1"), _F + _G, f"-Wl,--version-script={both}")
    bench.library("lib/libf.so.1", _F + _G, f"-Wl,--version-script={bench.script('V1 { f; g; };')}")
    source = "int f(void), g(void);\nint main(void) { return f() - g(); }\n"
    bench.program("bin/program", source, full, "-Wl,-rpath,$ORIGIN/../lib")
    return start("bin/program")


def node_without_function(bench: Bench) -> Trials:
    """The node is there, the function in it is not."""
    full = bench.library(
        str(bench.scratch / "full/libf.so.1"), _F + _G, f"-Wl,--version-script={bench.script('V1 { f; g; };')}"
    )
    bench.library("lib/libf.so.1", _F, f"-Wl,--version-script={bench.script('V1 { f; };')}")
    source = "int f(void), g(void);\nint main(void) { return f() - g(); }\n"
    bench.program("bin/program", source, full, "-Wl,-rpath,$ORIGIN/../lib")
    return start("bin/program")


def _versions_dropped(shipped: str) -> Make:
    """Linked against a library with nodes, shipped with one without."""

    def make(bench: Bench) -> Trials:
        names = f"-Wl,--version-script={bench.script('V1 { f; };')}"
        full = bench.library(str(bench.scratch / "full/libf.so.1"), _F, names)
        bench.library("lib/libf.so.1", shipped)
        bench.program("bin/program", _MAIN_F, full, "-Wl,-rpath,$ORIGIN/../lib")
        return start("bin/program")

    return make


def versions_added(bench: Bench) -> Trials:
    plain = bench.library(str(bench.scratch / "full/libf.so.1"), _F)
    bench.library("lib/libf.so.1", _F, f"-Wl,--version-script={bench.script('V1 { f; };')}")
    bench.program("bin/program", _MAIN_F, plain, "-Wl,-rpath,$ORIGIN/../lib")
    return start("bin/program")


def nowhere(bench: Bench) -> Trials:
    """A library that was only on the build machine."""
    bench.program("program", _MAIN_F, bench.stub("libnowhere.so.3", _F))
    bench.alone = "program"
    return start("program")


def other_major(bench: Bench) -> Trials:
    """libffi.so.7 is Debian 11's, .8 the others'."""
    bench.program("program", _MAIN_F, bench.stub("libffi.so.7", _F))
    bench.alone = "program"
    return start("program")


def not_in_libc(bench: Bench) -> Trials:
    """A function that no glibc has, at a node that every glibc has."""
    names = bench.script("GLIBC_2.17 { edge_no_such; };\n")
    stub = bench.stub("libc.so.6", "void edge_no_such(void) {}", "-nostdlib", f"-Wl,--version-script={names}")
    bench.linked("libf.so", "int edge_no_such(void);\nint f(void) { return edge_no_such(); }", stub)
    bench.alone = "libf.so"
    return load("libf.so")


def not_in_zlib(bench: Bench) -> Trials:
    """A library of the box without the function, no version asked for."""
    stub = bench.stub("libz.so.1", "int deflate_edge(void) { return 0; }")
    bench.library("libf.so", "int deflate_edge(void);\nint f(void) { return deflate_edge(); }", stub)
    bench.alone = "libf.so"
    return load("libf.so")


def in_zlib(bench: Bench) -> Trials:
    stub = bench.stub("libz.so.1", "int deflate(void) { return 0; }")
    bench.library("libf.so", "int deflate(void);\nint f(void) { return deflate(); }", stub)
    bench.alone = "libf.so"
    return load("libf.so")


def underlinked_plugin(bench: Bench) -> Trials:
    """A plug-in alone, with a function that only its own program has."""
    bench.library("libf.so", "int host_call(void);\nint f(void) { return host_call(); }")
    bench.alone = "libf.so"
    return load("libf.so")


def underlinked_library(bench: Bench) -> Trials:
    """libf names nothing, but the program brings what it wants."""
    g = bench.library("lib/libg.so.1", _G)
    f = bench.library("lib/libf.so.1", _F_CALLS_G)
    source = "int f(void), g(void);\nint main(void) { return f() - g(); }\n"
    bench.program("bin/program", source, f, g, "-Wl,-rpath,$ORIGIN/../lib")
    return start("bin/program")


def from_the_program(bench: Bench) -> Trials:
    """libf takes g from the program itself."""
    f = bench.library("lib/libf.so.1", _F_CALLS_G)
    bench.program("bin/program", _MAIN_F + _G, f, "-Wl,-rpath,$ORIGIN/../lib", "-rdynamic")
    return start("bin/program")


def needed_path(bench: Bench) -> Trials:
    """NEEDED is a path of the build machine."""
    library = bench.stub("libf.so.1", _F, "-Wl,-soname,/opt/sdk/lib/libf.so.1")
    bench.program("program", _MAIN_F, library)
    bench.alone = "program"
    return start("program")


def plugin_of_two(bench: Bench) -> Trials:
    """A plug-in with its library beside it, as wheels have them."""
    g = bench.library("mod.libs/libg-1a2b3c4d.so.1", _G)
    bench.library("mod/plugin.so", _F_CALLS_G, g, "-Wl,-rpath,$ORIGIN/../mod.libs")
    return load("mod/plugin.so")


def needs_newer_bundled(bench: Bench) -> Trials:
    """The program is for every box, the library beside it only for a new one."""
    library = bench.library(
        "lib/libf.so.1", "int strlcpy();\nint f(int n) { return n > 5 ? strlcpy() : 7; }", libc="gnu.2.38"
    )
    bench.program("bin/program", _MAIN_F, library, "-Wl,-rpath,$ORIGIN/../lib", "-Wl,--allow-shlib-undefined")
    return start("bin/program")


CASES: dict[str, Make] = {
    "runpath": _bundled("$ORIGIN/../lib"),
    "runpath-braces": _bundled("${ORIGIN}/../lib"),
    "runpath-missing": _bundled(""),
    "runpath-elsewhere": _bundled("$ORIGIN/../libs"),
    "runpath-absolute": _bundled("/opt/vendor/lib"),
    "runpath-lib-token": _bundled("$ORIGIN/../$LIB", "lib/aarch64-linux-gnu/libf.so.1"),
    "runpath-platform-token": _bundled("$ORIGIN/../lib/$PLATFORM", "lib/aarch64/libf.so.1"),
    "runpath-second": _bundled("$ORIGIN/none:$ORIGIN/../lib"),
    "runpath-hwcaps": _bundled("$ORIGIN/../lib", "lib/glibc-hwcaps/nothing/libf.so.1"),
    "chain-runpath": _chain(rpath=False),
    "chain-rpath": _chain(rpath=True),
    "chain-own-runpath": chain_own_runpath,
    "chain-loaded-before": chain_loaded_before,
    "chain-loaded-after": chain_loaded_after,
    "rpath-stops-at-runpath": rpath_stops_at_runpath,
    "soname-link": soname_link,
    "soname-without-link": soname_without_link,
    "dangling-link": dangling_link,
    "linked-folder": linked_folder,
    "linked-program": linked_program,
    "wrong-machine": wrong_machine,
    "missing-function": missing_function,
    "missing-weak-function": missing_weak_function,
    "missing-data": missing_data,
    "missing-node": missing_node,
    "node-without-function": node_without_function,
    # The loader warns of both. It has a table of versions to look into only where the library itself needs some; in one
    # that has none at all, older loaders stumble over an assertion of their own.
    "versions-dropped": _versions_dropped("void abort(void);\nint f(int n) { if (n > 5) abort(); return 7; }\n"),
    "versions-dropped-bare": _versions_dropped(_F),
    "versions-added": versions_added,
    "nowhere": nowhere,
    "other-major": other_major,
    "not-in-libc": not_in_libc,
    "not-in-zlib": not_in_zlib,
    "in-zlib": in_zlib,
    "underlinked-plugin": underlinked_plugin,
    "underlinked-library": underlinked_library,
    "from-the-program": from_the_program,
    "needed-path": needed_path,
    "plugin-of-two": plugin_of_two,
    "needs-newer-bundled": needs_newer_bundled,
}
