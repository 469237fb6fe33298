"""Small releases for tests: crafted archives as a row's artifact, sealed with a key of the test's own."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgebuild.digest import sha256_file
from edgebuild.model.product import Artifact, Product
from edgebuild.model.project import HealthSpec, Project
from edgebuild.model.release import Payload, Release, RowRelease
from edgebuild.package.release import MANIFEST, SIGNATURE, payload_id
from edgebuild.package.sign import SigningKey, trust_key

Member = tuple[tarfile.TarInfo, bytes]

PROJECT = Project(
    name="beat",
    version="1.0",
    targets=("generic-arm64",),
    run="bin/beat run ${STATE}/site.yaml",
    health=HealthSpec(cmd="bin/beat health ${RUN}/status", timeout="20s"),
)


def signing_key(seed: int = 1) -> SigningKey:
    """Equal seeds give equal keys."""
    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32), f"seed {seed}")


def member(
    name: str, content: bytes = b"", *, mode: int = 0o644, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type, info.linkname = len(content), mode, kind, link
    return info, content


def folder(name: str) -> Member:
    return member(name, mode=0o755, kind=tarfile.DIRTYPE)


def link(name: str, target: str) -> Member:
    return member(name, kind=tarfile.SYMTYPE, link=target, mode=0o777)


GOOD = (
    folder("beat"),
    folder("beat/bin"),
    member("beat/bin/beat", b"#!/bin/sh\necho beat\n", mode=0o755),
    folder("beat/lib"),
    member("beat/lib/libx.so.1", b"x" * 3000),
    link("beat/lib/libx.so", "libx.so.1"),
)


def write_members(path: Path, *members: Member, tail: bytes = b"") -> Path:
    """tail: raw bytes behind the archive's end. Names go in as they are; long ones as GNU tar has them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(buffer.getvalue() + tail, mtime=0))
    return path


def artifact_of(
    tarball: Path,
    *,
    target: str = "generic-arm64",
    name: str = PROJECT.name,
    version: str = PROJECT.version,
    abi: Mapping[str, Mapping[str, str]] | None = None,
) -> Artifact:
    product = Product(kind="tarball", path=tarball.name, sha256=sha256_file(tarball), size_bytes=tarball.stat().st_size)
    return Artifact(
        name=name,
        version=version,
        target=target,
        arch="aarch64",
        plan="p" * 64,
        products=(product,),
        abi={file: dict(versions) for file, versions in (abi or {"bin/beat": {"GLIBC": "2.17"}}).items()},
        made_from={},
    )


def sign_manifest(place: Path, content: bytes, key: SigningKey) -> None:
    """Whatever the content is: for manifests that edgebuild would not write."""
    (place / MANIFEST).write_bytes(content)
    (place / SIGNATURE).write_bytes(key.sign(content))


def release_around(archive: Path, **fields: object) -> Release:
    """A manifest that describes an archive's bytes rightly; fields: of the payload."""
    sha256 = sha256_file(archive)
    described: dict[str, object] = {
        "id": payload_id("1.0", sha256, PROJECT.run, PROJECT.health),
        "format": "tarball",
        "archive": archive.name,
        "sha256": sha256,
        "size_bytes": archive.stat().st_size,
        "unpacked_bytes": 0,
        "top": "beat",
        **fields,
    }
    row = RowRelease(
        target="generic-arm64",
        machine="aarch64",
        needs={"GLIBC": "2.17"},
        payloads=(Payload(**described),),  # type: ignore[arg-type]
    )
    return Release(
        name="beat",
        version="1.0",
        run=PROJECT.run,
        health=PROJECT.health,
        rows={"generic-arm64": row},
        made_from={"generic-arm64": "p" * 64},
    )


def trusting(place: Path, *keys: SigningKey) -> Path:
    """A trusted_keys file."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("")
    for key in keys:
        trust_key(key.public, place)
    return place
