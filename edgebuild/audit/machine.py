"""Each file for itself: machine, loader, pages, stack, memory, kernel."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from edgebuild.audit.finding import box, finding, glibc_of
from edgebuild.audit.load import Loader, Process
from edgebuild.model.arch import ARCHES, Arch
from edgebuild.model.contract import Contract
from edgebuild.model.elf import ElfFacts, parse_version
from edgebuild.model.finding import Finding

_BITS, _ENDIANNESS = 64, "little"  # of every architecture in ARCHES
_OS_ABIS = (0, 3)  # System V and GNU: what glibc's loader takes. Source: glibc, elf/dl-load.c, VALID_ELF_OSABI.
_LOADER_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_LARGEST_PAGE = 65536  # that Linux has on these architectures
# Kernels that glibc itself needs, so that a box with glibc has at least these. Source: glibc, sysdeps/unix/sysv/linux.
_GLIBC_KERNEL = {"aarch64": (3, 7, 0), "x86_64": (3, 2, 0)}
# The loader no longer looks at NT_GNU_ABI_TAG. Source: glibc b46d250656, "Remove kernel version check", in 2.36.
_ABI_TAG_UNREAD_FROM = (2, 36)
_RELR_FROM = (2, 36)
# Before, an alignment below the page size was refused even where the segments fit. Source: glibc 163f625cf9 (2.35),
# elf/dl-load.c; compared with the real loaders of 2.31 and 2.36 (tests/e2e/test_truth.py).
_STATED_ALIGNMENT_UNREAD_FROM = (2, 35)
# What the loader keeps for static TLS of libraries opened later, at most. Source: glibc up to 2.31, elf/dl-tls.c:
# TLS_STATIC_SURPLUS = 64 + DL_NNS * 100; since 2.32 about the same (glibc.rtld.optional_static_tls and nns).
_STATIC_TLS_BYTES = 1664


def wrong_machine(elf: ElfFacts, contract: Contract) -> Iterator[Finding]:
    arch = ARCHES[contract.arch]
    expected = (arch.elf_machine, _BITS, _ENDIANNESS)
    found = (elf.machine, elf.bits, elf.endianness)
    if found != expected:
        message = f"is {_describe(*found)}, expected {_describe(*expected)}"
        hint = f"build it with a toolchain for {arch.name} (`edgebuild build`), or take its {arch.name} release."
        yield finding("A101", elf, message, hint)
    elif elf.os_abi not in _OS_ABIS:
        message = f"is for another operating system (OS ABI {elf.os_abi}), expected Linux"
        yield finding("A101", elf, message, "take the Linux build of it.")


def _describe(machine: str, bits: int, endianness: str) -> str:
    return f"{machine.removeprefix('EM_')} {bits}-bit {endianness}-endian"


def check_machine(elf: ElfFacts, loader: Loader) -> Iterator[Finding]:
    """Everything but A101. Object files are linked later, so only their machine counts."""
    if elf.kind == "object":
        return
    contract = loader.provided.contract
    if elf.kind == "executable":
        yield from _interpreter(elf, loader, contract, ARCHES[contract.arch])
    yield from _pages(elf, contract)
    yield from _memory(elf)
    yield from _kernel(elf, contract)
    yield from _relr(elf, contract)


def _interpreter(elf: ElfFacts, loader: Loader, contract: Contract, arch: Arch) -> Iterator[Finding]:
    path = elf.interpreter
    if not path:
        if elf.needed:
            message = f"needs {elf.needed[0]} and names no dynamic loader that could bring it"
            yield finding("A107", elf, message, "link it without --no-dynamic-linker, or with -static-pie.")
        return
    if loader.tree.system and loader.at(path):
        return
    folder, name = posixpath.split(path)
    there = folder in _LOADER_FOLDERS and name in contract.libraries
    if path in (contract.loaders or ()) or (there and contract.loaders is None and _is_usual(path, arch)):
        return
    if name != arch.loader or folder not in _LOADER_FOLDERS:
        message = f"its interpreter is {path}, expected {arch.interpreter}"
        hint = f"link it for the loader of the box, {arch.interpreter} (`edgebuild build`), or statically."
        yield finding("A107", elf, message, hint)
    elif there and contract.loaders is None:
        message = f"its interpreter is {path}, and nobody knows whether {box(contract)} has its loader there"
        hint = f"patchelf --set-interpreter {arch.interpreter}; or `ls {path}` on the box: loaders in the contract."
        yield finding("A107", elf, message, hint, "unknown")
    else:
        message = f"its interpreter is {path}, which {box(contract)} does not have"
        others = (
            f"patchelf --set-interpreter {min(contract.loaders, key=len)}" if contract.loaders else "link it statically"
        )
        yield finding("A107", elf, message, f"{others}, or link it for the C library that is there.")


def _is_usual(path: str, arch: Arch) -> bool:
    """Where every box with that C library has its loader. Sources: the ABIs' processor supplements; musl, configure."""
    folder, name = posixpath.split(path)
    return path == arch.interpreter or (folder == "/lib" and name.startswith("ld-musl-"))


def _pages(elf: ElfFacts, contract: Contract) -> Iterator[Finding]:
    glibc = glibc_of(contract)
    states = elf.alignment if not (glibc and glibc >= _STATED_ALIGNMENT_UNREAD_FROM) else 0
    limit = min((each for each in (states, elf.largest_page) if each), default=_LARGEST_PAGE)
    if limit >= (contract.page_size or _LARGEST_PAGE):
        return
    if contract.page_size is None:
        message = f"aligned to {limit} bytes, and nobody knows the page size of {box(contract)}"
        yield finding(
            "A108", elf, message, "`getconf PAGESIZE` on the box tells: page_size in the contract.", "unknown"
        )
        return
    hint = f"link with -z max-page-size={contract.page_size}."
    yield finding("A108", elf, f"aligned to {limit} bytes, pages have {contract.page_size}", hint)


def _memory(elf: ElfFacts) -> Iterator[Finding]:
    if elf.exec_stack:
        hint = "an assembly file lacks `.section .note.GNU-stack`, or link with -z noexecstack; glibc 2.41 refuses it."
        yield finding("A106", elf, "PT_GNU_STACK is executable or missing", hint)
    if elf.text_relocations:
        hint = "compile everything in it with -fPIC; `-z text` makes the linker name the object that is not."
        yield finding("A113", elf, "the loader has to write into its code (DT_TEXTREL)", hint)
    if elf.writable_code:
        hint = "link without -N/--omagic and without a script that merges .text and .data."
        yield finding("A114", elf, "a segment is writable and executable", hint)


def _kernel(elf: ElfFacts, contract: Contract) -> Iterator[Finding]:
    glibc = glibc_of(contract)
    if not elf.min_kernel or (glibc and glibc >= _ABI_TAG_UNREAD_FROM):
        return
    wanted = parse_version(elf.min_kernel)
    if wanted <= _GLIBC_KERNEL[contract.arch]:
        return
    if contract.kernel is None:
        message = f"needs Linux {elf.min_kernel}, and nobody knows the kernel of {box(contract)}"
        yield finding("A132", elf, message, "`uname -r` on the box tells: kernel in the contract.", "unknown")
    elif wanted > parse_version(contract.kernel):
        message = f"needs Linux {elf.min_kernel} (NT_GNU_ABI_TAG), {box(contract)} has {contract.kernel}"
        yield finding(
            "A132", elf, message, "its C library was configured with a newer --enable-kernel; build for an older one."
        )


def _relr(elf: ElfFacts, contract: Contract) -> Iterator[Finding]:
    if not elf.relr:
        return
    glibc = glibc_of(contract)
    hint = "link without -z pack-relative-relocs and --pack-dyn-relocs=relr."
    if glibc is None:
        message = f"has DT_RELR, which glibc reads from 2.36 on, and nobody knows the glibc of {box(contract)}"
        yield finding("A134", elf, message, hint, "unknown")
    elif glibc < _RELR_FROM:
        version = ".".join(map(str, glibc))
        message = f"has DT_RELR, which glibc reads from 2.36 on; {box(contract)} has {version}"
        yield finding("A134", elf, message, hint)


def check_static_tls(process: Process) -> Iterator[Finding]:
    """A program's own libraries get what they need before it starts; one opened later has to take what is left."""
    if process.starts:
        return
    total = sum(elf.static_tls_bytes for elf in process.bundled)
    if total > _STATIC_TLS_BYTES:
        elf = max(process.bundled, key=lambda each: each.static_tls_bytes)
        message = f"{total} bytes of static thread-local storage, the loader keeps {_STATIC_TLS_BYTES} for late loads"
        hint = "compile with -ftls-model=global-dynamic, or link it to the program itself."
        yield finding("A133", elf, message, hint)
