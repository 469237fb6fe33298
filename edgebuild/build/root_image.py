"""An image's layers as tar files to read in any order: of a docker-archive, an OCI layout, or a packed root."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from edgebuild.errors import ConfigError, NotAvailable, VerificationError

_GZIP_MAGIC, _ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_MAX_DOCUMENT_BYTES = 16 << 20
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")

Opened = Callable[[str], IO[bytes]]


def image_layers(path: Path, machine: str, scratch: Path) -> list[Path]:
    """The layers, lowest first, uncompressed in scratch. path: a tar file, or a folder with an OCI layout.

    machine: the architecture to take where an image has several, as OCI spells it; "" for the first. A tar that is
    no image is the one layer of a root. Raises VerificationError, NotAvailable.
    """
    try:
        if path.is_dir():
            return _layers(lambda name: (path / name).open("rb"), machine, scratch)
        plain = _uncompressed(path.open("rb"), scratch / "archive.tar")
        with tarfile.open(plain) as archive:
            members = {
                member.name.removeprefix("./"): member for member in archive if member.isfile() or member.issym()
            }
            if not {"manifest.json", "index.json"} & members.keys():
                return [plain]

            def opened(name: str) -> IO[bytes]:
                content = archive.extractfile(members[name])
                assert content is not None
                return content

            return _layers(opened, machine, scratch)
    except (tarfile.TarError, zlib.error, EOFError, ValueError, LookupError, TypeError, OSError) as err:
        msg = f"{path}: no image and no packed root ({type(err).__name__}: {err})"
        raise VerificationError(msg, "`docker save`, an OCI layout, or a tar of a root folder can be read.") from err


def is_oci_layout(folder: Path) -> bool:
    return (folder / "oci-layout").is_file() and (folder / "index.json").is_file()


def _layers(opened: Opened, machine: str, scratch: Path) -> list[Path]:
    try:
        (image, *others) = _document(opened, "manifest.json")
    except (KeyError, FileNotFoundError):
        names = _oci_layer_names(opened, _document(opened, "index.json"), machine)
    else:
        if others:
            msg = "the archive holds several images; save the one that is meant"
            raise ConfigError(msg)
        names = image["Layers"]
    return [_uncompressed(opened(name), scratch / f"layer{number}.tar") for number, name in enumerate(names)]


def _oci_layer_names(opened: Opened, index: Any, machine: str) -> list[str]:
    """Source: OCI image specification, "Image Index" and "Image Manifest"."""
    entries = [each for each in index["manifests"] if each.get("platform", {}).get("architecture") != "unknown"]
    fitting = [each for each in entries if each.get("platform", {}).get("architecture") == machine]
    entry = (fitting or entries)[0]
    document = _document(opened, _blob(entry["digest"]))
    if entry.get("mediaType") in _INDEXES or "manifests" in document:
        return _oci_layer_names(opened, document, machine)
    return [_blob(layer["digest"]) for layer in document["layers"]]


def _blob(digest: str) -> str:
    kind, _, name = digest.partition(":")
    if not (kind.isalnum() and name.isalnum()):
        msg = f"not a digest: {digest[:80]}"
        raise ValueError(msg)
    return f"blobs/{kind}/{name}"


def _document(opened: Opened, name: str) -> Any:
    with opened(name) as file:
        return json.loads(file.read(_MAX_DOCUMENT_BYTES))


def _uncompressed(source: IO[bytes], place: Path) -> Path:
    """Beside the archive rather than in it: files are read in any order."""
    with source, place.open("wb") as plain:
        head = source.read(4)
        source.seek(0)
        if head == _ZSTD_MAGIC:
            msg = "a layer is packed with zstd, which this Python cannot read"
            raise NotAvailable(msg, "`docker save` writes layers unpacked.")
        if head.startswith(_GZIP_MAGIC):
            with gzip.open(source) as unpacked:
                shutil.copyfileobj(unpacked, plain, 1 << 20)
        else:
            shutil.copyfileobj(source, plain, 1 << 20)
    return place
