"""Archives that somebody has built on purpose: bombs, escapes, circles, lies about sizes."""

from __future__ import annotations

import io
import json
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

from tests.fuzz import seeds
from tests.fuzz.mutate import TAR_BLOCK, put_checksum

Built = tuple[str, bytes]
_ESCAPES = ("../escaped", "/escaped", "a/../../escaped", "./../escaped", "..", "/", ".", "a//../../../escaped")


def member(
    name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = -1
) -> bytes:
    """One tar member; size: what its header says, whatever follows."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, 0o755
    info.size = len(content) if size < 0 else size
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    return bytes(header) + content + bytes(-len(content) % TAR_BLOCK)


def raw_size(name: str, field: bytes, *, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A member whose size field has these bytes."""
    body = bytearray(member(name, kind=kind))
    body[124:136] = field.ljust(12, b"\0")
    put_checksum(body, len(body) - TAR_BLOCK)
    return bytes(body)


def link(name: str, target: str) -> bytes:
    return member(name, kind=tarfile.SYMTYPE, target=target)


def _packed(content: bytes, rng: random.Random) -> Built:
    """As tar, Debian package or layer of an image."""
    packing = rng.choice(("gz", "xz", "zst", "bz2", ""))
    match rng.randrange(4):
        case 0:
            return "x.deb", seeds.deb(seeds.PACKERS["xz"](content), "xz")
        case 1:
            layer = seeds.PACKERS[rng.choice(("gz", "zst", ""))](content)
            return "x.tar", seeds.image((layer,), rng.choice(("oci", "docker", "both")))
        case _:
            return f"x.tar{'.' if packing else ''}{packing}", seeds.PACKERS[packing](content)


def escape(rng: random.Random) -> Built:
    name = rng.choice(_ESCAPES)
    kind = rng.choice((tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE))
    return _packed(member(name, kind=kind, target=rng.choice(_ESCAPES)) + member("after"), rng)


def through_links(rng: random.Random) -> Built:
    """Links that lead out only when followed one after the other, then a member behind them."""
    ways = (
        link("a", "..") + member("a/escaped"),
        link("p/q/r", "../..") + link("s", "p/q/r/../..") + member("s/escaped"),
        link("a", "b") + link("b", "../../..") + member("a/escaped"),
        link("a", "/") + member("a/escaped"),
        member("d/f") + link("d/up", "..") + link("d/up2", "up/..") + member("d/up2/escaped"),
        link("a", "x") + member("a", kind=tarfile.LNKTYPE, target="a") + member("a/escaped"),
        link("x", "/etc/passwd") + member("y", kind=tarfile.LNKTYPE, target="x") + member("y", b"root"),
    )
    return _packed(rng.choice(ways), rng)


def circles(rng: random.Random) -> Built:
    count = rng.choice((1, 1, 2, 2, 3, 30, 50, 60, 1500))
    body = b"".join(link(f"l{number}", f"l{(number + 1) % count}") for number in range(count))
    more = link("self", "self/self") + member("l0/x") + link("m0", ".") + b"".join(
        link(f"m{number}", f"m{number - 1}/../m{number - 1}") for number in range(1, 60)
    )  # fmt: skip
    return _packed(body + more + member("m59/x"), rng)


def bomb(rng: random.Random) -> Built:
    """300 MiB of zeros; as many again in a second layer."""
    zeros = bytes(1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(member("zeros", size=300 << 20)[:TAR_BLOCK])
    packed += b"".join(packer.compress(zeros) for _ in range(300)) + packer.flush()
    if rng.random() < 0.5:
        return "x.tar", seeds.image((packed, packed), "docker")
    return "x.tar.gz", packed


def zip_bomb(rng: random.Random) -> Built:
    """Many members that share what they unpack to, or one whose directory lies about its size."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number in range(8):
            archive.writestr(f"m/{number}", bytes(40 << 20))
    body = bytearray(buffer.getvalue())
    if rng.random() < 0.5:
        at = body.rfind(b"PK\1\2")
        body[at + 24 : at + 28] = struct.pack("<I", rng.choice((0, 1, 2**32 - 1, 2**31)))
    return "m-1-cp39-cp39-linux_aarch64.whl", bytes(body)


def many(rng: random.Random) -> Built:
    count = rng.choice((1000, 20_000))
    return _packed(b"".join(member(f"f{number}") for number in range(count)), rng) if count < 2000 else (
        "x.tar.gz", seeds.PACKERS["gz"](member("f") * count)
    )  # fmt: skip


def sizes(rng: random.Random) -> Built:
    fields = (
        b"\x80" + (2**63).to_bytes(11, "big"), b"\xff" * 12, b"\xff" * 11 + b"\x00", b"777777777777", b"-1",
        b"\x80" + (2**80).to_bytes(11, "big"), b"00000000001", b"        ", b"\x80" + bytes(11),
    )  # fmt: skip
    kind = rng.choice((b"0", b"x", b"g", b"L", b"K", b"5", b"1", b"S", b"M", b"7", b"D", b"V", b"\0", b"X"))
    return _packed(member("before", b"b") + raw_size("huge", rng.choice(fields), kind=kind) + member("after"), rng)


def extended(rng: random.Random) -> Built:
    """pax records that lie."""
    records = (
        b"30 size=-9999999999999999999\n", b"28 size=9223372036854775808\n", b"99999999999 path=x\n", b"0 =\n",
        b"5 a=b", b"22 path=../../escaped\n", b"17 path=/escaped\n", b"24 GNU.sparse.major=1\n\n", b"7 a=\xff\n",
        b"11 size=1e9\n", b"\xff" * 600, b"15 linkpath=..\n", b"6 a=b\n" * 80_000, b"12 path=\0\0\n",
    )  # fmt: skip
    record = rng.choice(records)
    return _packed(member("h", record, kind=rng.choice((b"x", b"g", b"L"))) + member("after", b"a"), rng)


def names(rng: random.Random) -> Built:
    odd = (
        "a/" * 45 + "x", "n" * 99, "\udcff\udcfe", "new\nline", "\x1b[31mred", ".wh.", ".wh..wh..opq", ".wh...",
        ".wh..", "usr/.wh...", "usr/lib/.wh..wh..opq", "con\u202e", "a/b/.wh.a",
    )  # fmt: skip
    deep = b"".join(member("p", f"{'d/' * depth}f\0".encode(), kind=b"L") + member("x") for depth in (50, 500, 2000))
    chosen = member("a/b") + b"".join(member(rng.choice(odd), b"x") for _ in range(4))
    return _packed(chosen + (deep if rng.random() < 0.5 else b"") + member("a", b"file over folder"), rng)


def duplicates(rng: random.Random) -> Built:
    if rng.random() < 0.5:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for content in rng.sample(["a", "b", "a", ""], 3):
                archive.writestr(rng.choice(("m/x.so", "M/x.so")), content)
        return "m-1-cp39-cp39-linux_aarch64.whl", buffer.getvalue()
    body = (
        member("x", b"1") + member("x", kind=tarfile.DIRTYPE) + member("x/y", b"2") + link("x", "y") + member("x", b"3")
    )
    return _packed(body, rng)


def layouts(rng: random.Random) -> Built:
    """Descriptions of images that lead out, in circles, or nowhere."""
    layer = seeds.PACKERS["gz"](seeds.layer_trees()[0])
    deep = b"[" * 100_000
    entry = {"Config": "../../../etc/passwd", "Layers": ["/etc/passwd"]}
    digests = (
        "sha256:../../../etc/passwd",
        "sha256:" + "0" * 64,
        "",
        "md5:x",
        "sha256:" + "A" * 64,
        "sha512:" + "0" * 128,
    )
    edits: tuple[dict[str, bytes], ...] = (
        {"index.json": json.dumps({"manifests": [{"digest": rng.choice(digests)}]}).encode()},
        {"index.json": deep},
        {"index.json": b'{"manifests": []}'},
        {"index.json": b'{"config": {"digest": "x"}, "layers": [' + b'{"digest": "x"},' * 5000 + b'{"digest": "x"}]}'},
        {"manifest.json": json.dumps([entry]).encode()},
        {"manifest.json": json.dumps([{"Config": "index.json", "Layers": ["index.json"] * 2000}]).encode()},
        {"manifest.json": json.dumps([{"Config": "\0", "Layers": ["x" * 5000]}]).encode()},
        {"manifest.json": deep},
        {"manifest.json": b"[]", "oci-layout": b"\xff"},
    )
    configs: tuple[object, ...] = (
        deep, b"null", b"[]", b'{"config": {"Entrypoint": "x"}}',
        b'{"config": {"Env": ["", "=", "PATH"], "Cmd": [""]}}',
        {"architecture": "x" * 10_000, "config": {"Entrypoint": ["../../x"], "WorkingDir": "\0"}},
    )  # fmt: skip
    if rng.random() < 0.4:
        return "x.tar", seeds.image((layer,), rng.choice(("oci", "docker")), rng.choice(configs))
    return "x.tar", seeds.image((layer,), rng.choice(("oci", "docker", "both")), edit=rng.choice(edits))


def loader_configuration(rng: random.Random) -> Built:
    """A root whose ld.so.conf includes itself, links to itself, or is full of nonsense."""
    conf = rng.choice(
        (b"include /etc/ld.so.conf\n" * 50, b"include /etc/*\ninclude *\n", b"\xff" * 5000, b"/" * 100_000)
    )
    root = {
        "usr/lib/ld-linux-aarch64.so.1": seeds.elves()[2],
        "etc/ld.so.conf": conf,
        "etc/ld.so.cache": rng.randbytes(999),
    }
    links = {"lib": rng.choice(("lib", "usr/lib", "../../..", "/lib")), "etc/x.conf": "ld.so.conf"}
    return _packed(seeds.tar(root, links), rng)


def packers(rng: random.Random) -> Built:
    """Headers that ask a decoder for all memory there is."""
    heads = (
        b"\x5d\x00\x00\xff\xff" + b"\xff" * 8 + bytes(100),  # .lzma with a dictionary of 4 GiB
        b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4F\x02\0!\x01\x28\0\0\0\x8f\x98A\x9c" + bytes(64),  # xz, dictionary of 4 GiB
        b"\x28\xb5\x2f\xfd\x00\xb8" + bytes(64),  # zstd, window of 1 GiB and more
        b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8 + bytes(64),
        b"BZh9" + bytes(80), b"\x1f\x8b\x08\xff" + b"\xff" * 80,
        b"\x50\x2a\x4d\x18\xff\xff\xff\xff", b"\x1f\x8b", b"PK\3\4", b"PK\5\6" + b"\xff" * 18,
        b"!<arch>\ndebian-binary   ",
        b"!<arch>\n" + b"debian-binary   0           0     0     100644  9999999999`\n",
    )  # fmt: skip
    content = rng.choice(heads)
    return rng.choice((("x.tar.xz", content), ("x.deb", content), ("m-1-py3-none-any.whl", content), ("x", content)))


HOSTILE: tuple[Callable[[random.Random], Built], ...] = (
    escape, through_links, circles, sizes, extended, names, duplicates, layouts, loader_configuration, packers,
)  # fmt: skip
EXPENSIVE: tuple[Callable[[random.Random], Built], ...] = (bomb, zip_bomb, many)
