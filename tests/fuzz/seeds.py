"""Sound artifacts of every kind, small, to be damaged; packed by the standard library, not by what is tested."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import zstandard

from tests.elf_writer import Elf, write_elf

PACKERS = {
    "": lambda content: content,
    "gz": lambda content: gzip.compress(content, 1),
    "bz2": bz2.compress,
    "xz": lambda content: lzma.compress(content, preset=0),
    "zst": lambda content: zstandard.compress(content, 1),
}
PROGRAM = Elf(
    needed=("libx.so.1", "libc.so.6"),
    runpath="$ORIGIN/../lib:/opt/x",
    needs={"libc.so.6": {"GLIBC_2.17": ("f", "g"), "GLIBC_2.34": ("h",)}, "libstdc++.so.6": {"GLIBCXX_3.4.29": ("i",)}},
    interpreter="/lib/ld-linux-aarch64.so.1",
    build_id=b"\1" * 20,
    debug=True,
)
LIBRARY = Elf(soname="libx.so.1", defines=("X_1", "X_2"), exports=("x_open", "x_close"), needed=("libc.so.6",))
LIBC = Elf(soname="libc.so.6", defines=("GLIBC_2.17", "GLIBC_2.34"), exports=("f", "g", "h"))


@cache
def elves() -> tuple[bytes, ...]:
    """Three written by hand, one by a real linker: with all that real ones have, instructions among it."""
    spec = find_spec("msgspec._core")
    assert spec is not None and spec.origin is not None
    return (*(write_elf(each) for each in (PROGRAM, LIBRARY, LIBC)), Path(spec.origin).read_bytes())


@cache
def files() -> dict[str, bytes]:
    return {
        "bin/program": elves()[0],
        "bin/start.sh": b"#!/usr/bin/env python3\nprint()\n",
        "lib/libx.so.1": elves()[1],
        "lib/m.cpython-39-aarch64-linux-gnu.so": elves()[1],
        "m/__pycache__/m.cpython-39.pyc": (3425).to_bytes(2, "little") + b"\r\n" + bytes(12) + b"code",
        "lib/libold.a": static_library(),
        "readme.txt": b"text\n" * 20,
    }


@cache
def static_library() -> bytes:
    return b"!<arch>\n" + ar_member("x.o/", elves()[1])


def ar_member(name: str, content: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
    return header + content + b"\n" * (len(content) % 2)


def tar(content: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, body in content.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(body), 0o755 if "bin/" in name else 0o644
            archive.addfile(member, io.BytesIO(body))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return buffer.getvalue()


@cache
def plain_tar() -> bytes:
    return tar(files(), {"lib/libx.so": "libx.so.1", "current": "lib", "lost": "nowhere"})


@cache
def wheel() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files().items():
            archive.writestr(name, body)
        archive.writestr("m-1.data/data/lib/liby.so.1", elves()[1])
        archive.writestr(
            "m-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp39-cp39-linux_aarch64\n"
        )
        archive.writestr("m-1.dist-info/METADATA", "Name: m\nVersion: 1\n")
        archive.writestr("m-1.dist-info/symlinks.txt", "lib/libz.so,libx.so.1,0\n")
    return buffer.getvalue()


def deb(data: bytes, packing: str) -> bytes:
    control = PACKERS[packing](tar({"./control": b"Package: m\n"}))
    suffix = f".{packing}" if packing else ""
    return (
        b"!<arch>\n"
        + ar_member("debian-binary", b"2.0\n")
        + ar_member(f"control.tar{suffix}", control)
        + ar_member(f"data.tar{suffix}", data)
    )


@cache
def deb_tree() -> bytes:
    return tar({f"./usr/{name}": body for name, body in files().items()}, {"./lib/libx.so.1": "../usr/lib/libx.so.1"})


@cache
def layer_trees() -> tuple[bytes, ...]:
    base = {
        "usr/lib/libc.so.6": elves()[2],
        "usr/lib/ld-linux-aarch64.so.1": elves()[2],
        "etc/ld.so.conf": b"include /etc/ld.so.conf.d/*.conf\n",
        "etc/ld.so.conf.d/a.conf": b"/usr/local/lib\n/opt/x\n",
        "etc/ld.so.cache": b"/usr/local/lib/libq.so.1\0",
        "usr/bin/sh": elves()[0],
    }
    links = {"lib": "usr/lib", "bin": "/usr/bin", "usr/local/lib": "../lib"}
    above = {"app/bin/program": elves()[0], "app/.wh.old": b"", "etc/.wh..wh..opq": b"", "etc/passwd": b"root:x:0:0\n"}
    return tar(base, links), tar({**above, "app/lib/libx.so.1": elves()[1]})


def image(layers: tuple[bytes, ...], form: str, config: Any = None, edit: Mapping[str, bytes] | None = None) -> bytes:
    """form: "oci", "docker" or "both". layers: packed. edit: members to put in as they are."""
    config = config or {
        "architecture": "arm64",
        "os": "linux",
        "config": {
            "Entrypoint": ["/app/bin/program"],
            "Cmd": ["run"],
            "Env": ["PATH=/bin", "LD_LIBRARY_PATH=/app/lib"],
        },
    }
    described = config if isinstance(config, bytes) else json.dumps(config).encode()
    blobs = {sha256(body).hexdigest(): body for body in (*layers, described)}
    manifest = json.dumps(
        {"schemaVersion": 2, "config": _descriptor(described), "layers": [_descriptor(each) for each in layers]}
    ).encode()
    blobs[sha256(manifest).hexdigest()] = manifest
    members = {f"blobs/sha256/{name}": body for name, body in blobs.items()}
    if form in ("oci", "both"):
        members["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
        members["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [_descriptor(manifest)]}).encode()
    if form in ("docker", "both"):
        entry = {
            "Config": f"blobs/sha256/{sha256(described).hexdigest()}",
            "RepoTags": ["m:1"],
            "Layers": [f"blobs/sha256/{sha256(each).hexdigest()}" for each in layers],
        }
        members["manifest.json"] = json.dumps([entry]).encode()
    return tar({**members, **(edit or {})})


def _descriptor(content: bytes) -> dict[str, Any]:
    return {"mediaType": "x", "digest": digest_of(content), "size": len(content)}


def digest_of(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"
