"""Root folders of imaginary boxes: a handful of files that look like a C library's, for tests without a compiler."""

from __future__ import annotations

import struct
from pathlib import Path

LIB, GCC = "usr/lib/aarch64-linux-gnu", "usr/lib/gcc/aarch64-linux-gnu/10"
ARM, INTEL = 183, 62  # e_machine


def elf(machine: int = ARM, content: bytes = b"", *, bits: int = 64) -> bytes:
    """As much of an ELF file as says its machine."""
    kind = 2 if bits == 64 else 1
    return b"\x7fELF" + bytes([kind, 1, 1]) + bytes(9) + struct.pack("<HH", 3, machine) + content


def archive(*members: bytes) -> bytes:
    """An ar archive."""
    packed = b"!<arch>\n"
    for number, member in enumerate(members):
        packed += f"{f'{number}.o/':<16}{'0':<12}{'0':<6}{'0':<6}{'644':<8}{len(member):<10}`\n".encode() + member
        packed += b"\n" * (len(member) % 2)
    return packed


def banner(version: str) -> bytes:
    return f"\nGNU C Library (Acme {version}-1) stable release version {version}.\nCopyright\n".encode()


# What a box needs so that something could be linked against it. A str is a link's target.
SMALL: dict[str, bytes | str] = {
    "usr/include/stdio.h": b"int puts(const char*);\n",
    f"{LIB}/crt1.o": elf(content=b"crt1"),
    f"{LIB}/crti.o": elf(content=b"crti"),
    f"{LIB}/libc.so": f"/* GNU ld script */\nGROUP ( /{LIB}/libc.so.6 /{LIB}/libc_nonshared.a )\n".encode(),
    f"{LIB}/libc_nonshared.a": archive(elf(content=b"nonshared")),
    f"{LIB}/libc.so.6": "libc-2.31.so",
    f"{LIB}/libc-2.31.so": elf(content=banner("2.31")),
    f"{GCC}/crtbegin.o": elf(content=b"crtbegin"),
    f"{GCC}/libgcc.a": archive(elf(content=b"libgcc")),
    "etc/os-release": "../usr/lib/os-release",
    "usr/lib/os-release": b'NAME=Acme\nPRETTY_NAME="Acme Linux 4"\n',
}


def write_root(folder: Path, files: dict[str, bytes | str]) -> Path:
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            place.symlink_to(content)
        else:
            place.write_bytes(content)
    return folder
