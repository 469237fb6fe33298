"""Single files of our own make: glibc levels, and everything that a loader reads from one file's own headers."""

from __future__ import annotations

from tests.corpus.elf_edit import ElfEdit
from tests.truth.bench import Bench, Make, Trials, load, start

# A function that each glibc brought. Source: glibc, sysdeps/unix/sysv/linux/aarch64/libc.abilist.
_NEW_IN = {
    "2.17": "getauxval",
    "2.28": "fcntl64",
    "2.31": "pthread_clockjoin_np",
    "2.34": "closefrom",
    "2.36": "arc4random",
    "2.38": "strlcpy",
}
_MAIN = "int main(void) { return 0; }\n"
_F = "int f(void) { return 7; }\n"
# A note as crt1.o carries it: owner "GNU", type NT_GNU_ABI_TAG, Linux, version.
_ABI_TAG = """
__attribute__((section(".note.ABI-tag"), used, aligned(4)))
static const struct { int name_size, size, type; char name[4]; int os, major, minor, patch; }
    tag = {4, 16, 1, "GNU", 0, %d, %d, 0};
"""


def floor_program(version: str) -> Make:
    def make(bench: Bench) -> Trials:
        new = _NEW_IN[version]
        source = f"extern int {new}();\nint main(int n, char **v) {{ return n > 5 ? {new}() : 0; }}"
        bench.program("program", source, "-lpthread", libc=f"gnu.{version}")
        bench.alone = "program"
        return start("program")

    return make


def floor_library(version: str) -> Make:
    def make(bench: Bench) -> Trials:
        source = f"extern int {_NEW_IN[version]}();\nint f(void) {{ return {_NEW_IN[version]}(); }}"
        bench.library("libf.so", source, "-lpthread", libc=f"gnu.{version}")
        bench.alone = "libf.so"
        return load("libf.so")

    return make


def weak_floor(bench: Bench) -> Trials:
    """A newer function behind a weak reference: the loader goes on without it."""
    source = "extern int strlcpy() __attribute__((weak));\nint main(void) { return 0 * (strlcpy ? 1 : 0); }"
    bench.program("program", source)
    bench.alone = "program"
    return start("program")


def static_program(bench: Bench) -> Trials:
    bench.program("program", _MAIN, "-static", libc="musl")
    bench.alone = "program"
    return start("program")


def musl_program(bench: Bench) -> Trials:
    bench.program("program", _MAIN, "-dynamic", libc="musl")
    bench.alone = "program"
    return start("program")


def musl_library(bench: Bench) -> Trials:
    bench.library("libf.so", "#include <stdlib.h>\nint f(void) { abort(); }", libc="musl")
    bench.alone = "libf.so"
    return load("libf.so")


def pie_program(bench: Bench) -> Trials:
    bench.program("program", _MAIN, "-fPIE", "-pie")
    bench.alone = "program"
    return start("program")


def other_interpreter(bench: Bench) -> Trials:
    bench.program("program", _MAIN, "-Wl,--dynamic-linker,/opt/sdk/ld-linux-aarch64.so.1")
    bench.alone = "program"
    return start("program")


def desk_program(bench: Bench) -> Trials:
    """For the machine it was built on."""
    bench.program("program", _MAIN, "-target", "x86_64-linux-gnu.2.31", "-mcpu=x86_64")
    bench.alone = "program"
    return start("program")


def desk_library(bench: Bench) -> Trials:
    bench.library("libf.so", _F, "-target", "x86_64-linux-gnu.2.31", "-mcpu=x86_64")
    bench.alone = "libf.so"
    return load("libf.so")


def truncated_library(bench: Bench) -> Trials:
    """Half of its data is not there: it maps, and dies when it is touched."""
    source = (
        "volatile char big[1 << 20] = {1, [1000000] = 7};\n"
        "__attribute__((constructor)) static void begin(void) { if (big[1000000] != 7) __builtin_trap(); }"
    )
    path = bench.library("libf.so", source)
    path.write_bytes(path.read_bytes()[:200000])
    bench.alone = "libf.so"
    return load("libf.so")


def no_section_headers(bench: Bench) -> Trials:
    """As sstrip leaves it: the loader does not look at them."""
    edit = ElfEdit(bench.library("libf.so", _F))
    sections = edit.get(40, "Q")
    edit.put(40, "Q", 0)
    edit.put(58, "HHH", 0, 0, 0)
    del edit.data[sections:]
    edit.save()
    bench.alone = "libf.so"
    return load("libf.so")


def empty_library(bench: Bench) -> Trials:
    bench.library("libf.so", _F).write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9))
    bench.alone = "libf.so"
    return load("libf.so")


def relr_announced(bench: Bench) -> Trials:
    """DT_RELR with the version need that tells an old loader."""
    source = "extern int abort(void);\nstatic int x; int *p[300] = {&x, &x};\nint f(void) { return abort(); }"
    bench.linked("libf.so", source, bench.libc_stub, "-z", "pack-relative-relocs")
    bench.alone = "libf.so"
    return load("libf.so")


def relr_silent(bench: Bench) -> Trials:
    """DT_RELR without it: an old loader leaves the pointers as they are, and the constructor follows one."""
    source = (
        "static int x = 7; static int *volatile p = &x; int *q[300] = {&x};\n"
        "__attribute__((constructor)) static void begin(void) { if (*p != 7) __builtin_trap(); }"
    )
    bench.linked("libf.so", source, "--pack-dyn-relocs=relr")
    bench.alone = "libf.so"
    return load("libf.so")


def newer_kernel(major: int) -> Make:
    def make(bench: Bench) -> Trials:
        bench.library("libf.so", _ABI_TAG % (major, 0) + _F)
        bench.alone = "libf.so"
        return load("libf.so")

    return make


def static_tls(size_bytes: int) -> Make:
    """Thread-local storage at a fixed place, opened late."""

    def make(bench: Bench) -> Trials:
        source = (
            f'static __thread char room[{size_bytes}] __attribute__((tls_model("initial-exec")));\n'
            "char *f(int i) { return room + i; }"
        )
        bench.library("libf.so", source)
        bench.alone = "libf.so"
        return load("libf.so")

    return make


def dynamic_tls(bench: Bench) -> Trials:
    source = "__thread char room[1000000];\nchar *f(int i) { return room + i; }"
    bench.library("libf.so", source, "-ftls-model=global-dynamic")
    bench.alone = "libf.so"
    return load("libf.so")


def static_tls_linked(bench: Bench) -> Trials:
    """The same as a library of the program: there is room for all of it before it starts."""
    source = (
        'static __thread char room[100000] __attribute__((tls_model("initial-exec")));\n'
        "char *f(int i) { return room + i; }"
    )
    library = bench.library("libf.so", source)
    bench.program("program", "char *f(int);\nint main(void) { return *f(1); }", library, "-Wl,-rpath,$ORIGIN")
    return start("program")


def executable_stack(bench: Bench) -> Trials:
    bench.linked("libf.so", _F, "-z", "execstack")
    bench.alone = "libf.so"
    return load("libf.so")


def text_relocations(bench: Bench) -> Trials:
    source = 'int x;\n__attribute__((section(".text.data"))) int *const volatile p = &x;\nint f(void) { return *p; }'
    bench.linked("libf.so", source, "-z", "notext")
    bench.alone = "libf.so"
    return load("libf.so")


def large_pages(bench: Bench) -> Trials:
    bench.library("libf.so", _F, "-Wl,-z,max-page-size=65536")
    bench.alone = "libf.so"
    return load("libf.so")


def other_system(bench: Bench) -> Trials:
    """OS ABI of FreeBSD."""
    edit = ElfEdit(bench.library("libf.so", _F))
    edit.put(7, "B", 9)
    edit.save()
    bench.alone = "libf.so"
    return load("libf.so")


CASES: dict[str, Make] = {
    **{f"program-for-{version}": floor_program(version) for version in _NEW_IN},
    **{f"library-for-{version}": floor_library(version) for version in _NEW_IN},
    "weak-newer-symbol": weak_floor,
    "static-program": static_program,
    "musl-program": musl_program,
    "musl-library": musl_library,
    "pie-program": pie_program,
    "other-interpreter": other_interpreter,
    "desk-program": desk_program,
    "desk-library": desk_library,
    "truncated-library": truncated_library,
    "no-section-headers": no_section_headers,
    "header-only": empty_library,
    "relr-announced": relr_announced,
    "relr-silent": relr_silent,
    "kernel-9": newer_kernel(9),
    "kernel-4": newer_kernel(4),
    "static-tls-small": static_tls(64),
    "static-tls-large": static_tls(100000),
    "static-tls-linked": static_tls_linked,
    "dynamic-tls": dynamic_tls,
    "executable-stack": executable_stack,
    "text-relocations": text_relocations,
    "large-pages": large_pages,
    "other-system": other_system,
}
