"""Seeded damage: the same number always gives the same bytes."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

EXTREMES = (0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
TAR_BLOCK = 512
# Header fields of a tar member as (start, length): mode, size, checksum, type, magic, prefix.
_TAR_FIELDS = ((0, 100), (100, 8), (124, 12), (148, 8), (156, 1), (157, 100), (257, 8), (345, 155))

Mutation = Callable[[bytearray, random.Random], bytes]


def damaged(content: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """One to four mutations. others: what may be spliced in."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        mutation = rng.choice(_MUTATIONS)
        content = mutation(bytearray(content), rng) if content else content
        if others and rng.random() < 0.05:
            content = _splice(content, rng.choice(others), rng)
    return content


def damaged_elf(content: bytes, rng: random.Random) -> bytes:
    """Where it matters: headers, program headers, the dynamic section, sections at the end."""
    body = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        region = rng.choice(((0, 64), (64, 512), (512, 2048), (max(len(body) - 2048, 0), len(body)), (0, len(body))))
        start, end = region[0], min(region[1], len(body))
        if end - start > 8:
            _put_extreme(body, rng.randrange(start, end - 8) & ~3, rng)
    return damaged(bytes(body), rng) if rng.random() < 0.2 else bytes(body)


def damaged_tar(content: bytes, rng: random.Random) -> bytes:
    """Fields of headers, with the checksum put right again most of the time, so that readers go on."""
    body = bytearray(content)
    headers = [at for at in range(0, len(body) - TAR_BLOCK, TAR_BLOCK) if body[at + 257 : at + 262] == b"ustar"]
    for _ in range(rng.randint(1, 3)):
        if not headers:
            break
        at = rng.choice(headers)
        start, length = rng.choice(_TAR_FIELDS)
        field = _field(length, rng)
        body[at + start : at + start + length] = field[:length].ljust(length, b"\0")
        if rng.random() < 0.85:
            put_checksum(body, at)
    return damaged(bytes(body), rng) if rng.random() < 0.25 else bytes(body)


def put_checksum(body: bytearray, at: int) -> None:
    body[at + 148 : at + 156] = b" " * 8
    body[at + 148 : at + 156] = b"%06o\0 " % sum(body[at : at + TAR_BLOCK])


def _field(length: int, rng: random.Random) -> bytes:
    match rng.randrange(6):
        case 0:  # a number in binary, positive or negative
            return bytes([rng.choice((0x80, 0xFF))]) + rng.choice(EXTREMES).to_bytes(8, "big").rjust(length - 1, b"\0")
        case 1:
            return b"%o" % (rng.choice(EXTREMES) % 8 ** max(length - 1, 1))
        case 2:
            return rng.choice((b"-1", b"9999999999", b"", b" ", b"0x10", b"\xff" * length))
        case 3:
            return rng.choice(
                (b"../../escaped", b"/escaped", b"a/" * 60, b"\xff\xfe\n\x1b[31m", b"..", b".", b"usr/lib")
            )
        case 4:
            return rng.choice(b"0123456789gxLKSDMVX\0").to_bytes(1, "big")
        case _:
            return rng.randbytes(length)


def _flip(body: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 16)):
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    return bytes(body)


def _cut(body: bytearray, rng: random.Random) -> bytes:
    return bytes(body[: rng.randrange(len(body))])


def _extreme(body: bytearray, rng: random.Random) -> bytes:
    if len(body) > 16:
        _put_extreme(body, rng.randrange(len(body) - 8) & ~1, rng)
    return bytes(body)


def _put_extreme(body: bytearray, at: int, rng: random.Random) -> None:
    layout, bits = rng.choice((("<H", 16), ("<I", 32), ("<Q", 64), (">I", 32)))
    value = rng.choice((*EXTREMES, len(body), len(body) - 1, at)) % (1 << bits)
    packed = struct.pack(layout, value)
    body[at : at + len(packed)] = packed


def _repeat(body: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(body))
    piece = body[start : start + rng.choice((1, 16, 512, 4096))]
    return bytes(body[:start] + piece * rng.choice((2, 3, 50)) + body[start:])


def _drop(body: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(body))
    return bytes(body[:start] + body[start + rng.choice((1, 7, 512, 5000)) :])


def _noise(body: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(body))
    length = min(rng.choice((4, 64, 512)), len(body) - start)
    body[start : start + length] = rng.randbytes(length)
    return bytes(body)


def _splice(content: bytes, other: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content)) if content else 0
    start = rng.randrange(len(other)) if other else 0
    return content[:at] + other[start : start + 8192] + content[at:]


_MUTATIONS: tuple[Mutation, ...] = (_flip, _flip, _cut, _extreme, _extreme, _repeat, _drop, _noise)
