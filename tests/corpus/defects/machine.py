"""What is wrong with one file by itself: machine, loader, pages, stack, memory, damage."""

from __future__ import annotations

from tests.corpus.elf_edit import PF_W, PF_X, PT_DYNAMIC, PT_GNU_STACK, PT_LOAD, PT_NULL, ElfEdit
from tests.corpus.model import Expect, Group
from tests.corpus.shop import Shop

GROUP = Group("The file itself")
MAIN = "int main(void) { return 0; }\n"
ANSWER = "int answer(void) { return 42; }\n"


@GROUP.defect(Expect("A100", "", hint=("path|folder|check|name",)), contract="debian-12-box")
def nothing_but_notes(shop: Shop) -> None:
    """The install step put nothing but a README into the folder that ships."""
    shop.write("README.txt", "to be done\n")


@GROUP.defect(
    Expect("A101", "bin/tool", says=("x86.64", "aarch64"), hint=("aarch64|arm64|cross",)), contract="debian-12-box"
)
def host_program(shop: Shop) -> None:
    """The program was compiled for the build machine."""
    shop.zig("bin/tool", MAIN, arch="x86_64")


@GROUP.defect(Expect("A101", "lib/libcodec.so", says=("x86.64",)), contract="debian-12-box")
def one_host_library_among_others(shop: Shop) -> None:
    """A third-party library of the build machine was copied between libraries of the right machine."""
    shop.library("lib/libaudio.so", ANSWER)
    shop.zig("lib/libcodec.so", ANSWER, "-shared", "-fPIC", arch="x86_64")


@GROUP.defect(Expect("A101", "lib/libcodec.so", says=("32.bit|ARM",)), contract="debian-12-box")
def library_of_32_bit_arm(shop: Shop) -> None:
    """A 32-bit Arm library from the vendor's older SDK."""
    shop.zig("lib/libcodec.so", ANSWER, "-shared", "-fPIC", "-nostdlib", arch="arm", libc="gnueabihf")


@GROUP.defect(Expect("A101", "lib/libcodec.so", says=("big",)), contract="debian-12-box")
def library_of_the_other_byte_order(shop: Shop) -> None:
    """AArch64, but big-endian."""
    shop.zig("lib/libcodec.so", ANSWER, "-shared", "-fPIC", "-nostdlib", arch="aarch64_be", libc="gnu")


@GROUP.defect(Expect("A106", "lib/libcodec.so", hint=("execstack|GNU-stack|stack",)), contract="debian-12-box")
def executable_stack_by_option(shop: Shop) -> None:
    """Linked with -z execstack."""
    shop.library("lib/libcodec.so", ANSWER, "-Wl,-z,execstack")


@GROUP.defect(Expect("A106", "lib/libkernels.so", hint=("GNU-stack|stack",)), contract="debian-12-box")
def executable_stack_by_silence(shop: Shop) -> None:
    """No PT_GNU_STACK at all, as old linkers leave it: the loader takes that for "executable"."""
    elf = ElfEdit(shop.library("lib/libkernels.so", ANSWER))
    elf.put(elf.segment(PT_GNU_STACK).at, "I", PT_NULL)
    elf.save()


@GROUP.defect(
    Expect("A107", "bin/tool", says=("ld-musl-aarch64.so.1",), hint=("musl|gnu|glibc|loader",)),
    contract="debian-12-box",
    also=("A103",),
)
def program_for_musl(shop: Shop) -> None:
    """Linked in an Alpine container, shipped to a glibc box."""
    shop.zig("bin/tool", MAIN, "-dynamic", libc="musl")


@GROUP.defect(
    Expect("A107", "bin/tool", says=("/opt/sdk/sysroot/lib/ld-linux-aarch64.so.1",)), contract="debian-12-box"
)
def interpreter_of_the_sdk(shop: Shop) -> None:
    """An SDK's compiler wrote the path of its own loader into the program."""
    shop.gcc("bin/tool", MAIN, "-Wl,--dynamic-linker=/opt/sdk/sysroot/lib/ld-linux-aarch64.so.1")


@GROUP.defect(
    Expect("A108", "lib/libcodec.so", says=("4096|4 KiB|0x1000", "65536|64 KiB|0x10000"), hint=("max-page-size",)),
    contract="large-pages",
)
def small_alignment_on_large_pages(shop: Shop) -> None:
    """Segments aligned to 4 KiB for a kernel with 64 KiB pages."""
    shop.library("lib/libcodec.so", ANSWER + "int state = 1;", "-Wl,-z,max-page-size=4096")


@GROUP.defect(Expect("A109", "lib/libcodec.so", hint=("again|copy|complete|download|build",)), contract="debian-12-box")
def truncated_library(shop: Shop) -> None:
    """The copy broke off in the middle."""
    path = shop.library("lib/libcodec.so", "const char table[200000] = {1};\n" + ANSWER)
    path.write_bytes(path.read_bytes()[:100_000])


@GROUP.defect(Expect("A109", "lib/libcodec.so"), contract="debian-12-box")
def headers_beyond_the_end(shop: Shop) -> None:
    """The ELF header points to program headers where the file has none."""
    elf = ElfEdit(shop.library("lib/libcodec.so", ANSWER))
    elf.put(32, "Q", len(elf.data) + 4096)
    elf.save()


@GROUP.defect(Expect("A109", "lib/libcodec.so"), contract="debian-12-box")
def dynamic_section_nowhere(shop: Shop) -> None:
    """PT_DYNAMIC lies outside of everything that is mapped, as after a bad strip."""
    elf = ElfEdit(shop.library("lib/libcodec.so", ANSWER))
    dynamic = elf.segment(PT_DYNAMIC)
    elf.put(dynamic.at + 8, "QQQ", len(elf.data) + 64, 0x7FFF0000, 0x7FFF0000)
    elf.save()


@GROUP.defect(Expect("A109", "lib/libcodec.so"), contract="debian-12-box")
def zeros_of_the_right_size(shop: Shop) -> None:
    """After a power cut the file has its header and otherwise zeros."""
    path = shop.library("lib/libcodec.so", "const char table[20000] = {1};\n" + ANSWER)
    data = path.read_bytes()
    path.write_bytes(data[:64] + bytes(len(data) - 64))


@GROUP.defect(Expect("A113", "lib/libkernels.so", hint=("fPIC|PIC|position",)), contract="debian-12-box")
def relocations_in_code(shop: Shop) -> None:
    """Hand-written assembler keeps an address between its instructions, and -z notext let it through."""
    text = (
        ".text\n.global kernel\n.type kernel, %function\nkernel:\n  ldr x0, 1f\n  ret\n"
        '1: .xword state\n.data\nstate: .word 7\n.section .note.GNU-stack,"",%progbits\n'
    )
    shop.assembler("lib/libkernels.so", text, "-shared", "-nostdlib", "-Wl,-z,notext")


@GROUP.defect(Expect("A114", "lib/libcodec.so", hint=("omagic|linker|-N|writable",)), contract="debian-12-box")
def everything_in_one_segment(shop: Shop) -> None:
    """Linked with --omagic: code and data share one writable, executable segment."""
    shop.library("lib/libcodec.so", ANSWER + "int state = 1;", "-nostdlib", "-Wl,--omagic")


@GROUP.defect(Expect("A114", "bin/packed"), contract="debian-12-box")
def writable_code(shop: Shop) -> None:
    """A packer made the code segment writable, to unpack itself there."""
    elf = ElfEdit(shop.gcc("bin/packed", MAIN))
    code = next(each for each in elf.segments() if each.kind == PT_LOAD and each.flags & PF_X)
    elf.put(code.at + 4, "I", code.flags | PF_W)
    elf.save()


@GROUP.defect(Expect("A132", "lib/libcodec.so", says=("6.9", "4.9"), hint=("kernel",)), contract="old-box")
def asks_for_a_newer_kernel(shop: Shop) -> None:
    """The ABI-tag note of a library says Linux 6.9: the loader answers "ELF file OS ABI invalid"."""
    _library_with_kernel_note(shop, 6, 9)


@GROUP.defect(Expect("A132", "lib/libcodec.so", says=("6.9",), severity="unknown"), contract="silent-box")
def newer_kernel_on_an_unknown_one(shop: Shop) -> None:
    """The same note; nobody has written down which kernel the box runs."""
    _library_with_kernel_note(shop, 6, 9)


@GROUP.defect(Expect("A108", "lib/libcodec.so", says=("page",), severity="unknown"), contract="silent-box")
def small_alignment_on_unknown_pages(shop: Shop) -> None:
    """Aligned to 4 KiB; nobody has written down the box's page size."""
    shop.library("lib/libcodec.so", ANSWER + "int state = 1;", "-Wl,-z,max-page-size=4096")


@GROUP.defect(
    Expect(
        "A133",
        "lib/libinfer.so",
        says=("TLS|thread",),
        hint=("initial-exec|tls-model|preload|fewer|smaller|TLSDESC|global-dynamic",),
    ),
    contract="debian-12-box",
)
def static_tls_in_a_plugin(shop: Shop) -> None:
    """A module for dlopen keeps 64 KiB of thread-local data in the initial-exec model."""
    source = "__thread char scratch[65536];\nchar *kept(void) { return scratch; }\n"
    shop.library("lib/libinfer.so", source, "-ftls-model=initial-exec")


@GROUP.defect(Expect("A134", "lib/libtable.so", says=("RELR|compact",), hint=("relr|pack",)), contract="debian-11-box")
def compact_relocations_without_a_word(shop: Shop) -> None:
    """DT_RELR as lld writes it: the loader of glibc 2.31 skips it in silence, and every pointer stays unrelocated."""
    source = (
        "static int a, b, c;\nint *const table[] = {&a, &b, &c};\nint **pick(int i) { return (int **)&table[i]; }\n"
    )
    elf = ElfEdit(shop.library("lib/libtable.so", source, "-nostdlib", "-fvisibility=hidden"))
    elf.make_relative_relocations_compact()
    elf.save()


def _library_with_kernel_note(shop: Shop, major: int, minor: int) -> None:
    """The note that glibc's open_verify() compares with the running kernel."""
    note = (
        "#include <stdint.h>\n"
        '__attribute__((section(".note.ABI-tag,\\"a\\",%note //"), aligned(4), used)) static const struct {\n'
        "  uint32_t name, size, kind; char text[4]; uint32_t os, version[3];\n"
        f'}} tag = {{4, 16, 1, "GNU", 0, {{{major}, {minor}, 0}}}};\n'
    )
    shop.library("lib/libcodec.so", note + ANSWER)
