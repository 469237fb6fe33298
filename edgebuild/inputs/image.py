"""Container images in a folder: OCI layouts and docker-archives, opened into one root file system.

Sources: OCI image-spec 1.1 (image-layout.md, manifest.md, config.md); moby, image/spec/v1.2.md; an archive of
`docker save` is both since Docker 25.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgebuild.errors import VerificationError
from edgebuild.model.arch import ARCHES, ArchName
from edgebuild.model.tree import ImageFacts, LayerFacts
from edgebuild.packed import Bounds
from edgebuild.placing import printable
from edgebuild.unpack import unpack_layer

_MAX_JSON_BYTES = 4 << 20
_MAX_LAYERS = 1000
_MAX_NESTED = 4
_DIGEST = re.compile(r"sha(?P<bits>256|512):(?P<hex>[0-9a-f]{64,128})")
_TITLE = "org.opencontainers.image.ref.name"
_NAME = "io.containerd.image.name"
# Where an engine looks for a command without a folder. Source: moby, oci/defaults.go and container/env.go.
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKINGS: dict[str, Any] = {"none": "none", "gzip": "gzip", "zstd": "zstd"}


class _Process(msgspec.Struct):
    entrypoint: list[str] | None = msgspec.field(default=None, name="Entrypoint")
    cmd: list[str] | None = msgspec.field(default=None, name="Cmd")
    env: list[str] | None = msgspec.field(default=None, name="Env")
    folder: str | None = msgspec.field(default=None, name="WorkingDir")


class _Config(msgspec.Struct):
    architecture: str = ""
    os: str = ""
    config: _Process | None = None


class _Platform(msgspec.Struct):
    architecture: str = ""
    os: str = ""


class _Descriptor(msgspec.Struct):
    digest: str
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None


class _Index(msgspec.Struct):
    """An index has manifests, a manifest has a config and layers; a mediaType may be absent from both."""

    manifests: list[_Descriptor] | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None


class _Entry(msgspec.Struct):
    """Of docker's manifest.json."""

    config: str = msgspec.field(name="Config")
    layers: list[str] | None = msgspec.field(default=None, name="Layers")
    tags: list[str] | None = msgspec.field(default=None, name="RepoTags")


_T = TypeVar("_T")


@dataclass(frozen=True)
class _Image:
    reference: str
    config: Path
    layers: tuple[Path, ...]


def is_image_layout(folder: Path) -> bool:
    """By the files that readers of both forms look for first."""
    return _is_oci(folder) or _is_docker(folder)


def unpack_image(folder: Path, root: Path, bounds: Bounds, *, arch: ArchName | None = None) -> ImageFacts:
    """All layers over each other below root, and what the image says about itself. arch: which one, where there are
    several. Raises VerificationError.
    """
    layout = _Layout(folder, bounds.archive)
    is_oci, is_docker = _is_oci(folder), _is_docker(folder)
    # `docker load` reads manifest.json where it is; Docker 25.0.0 wrote an index without layers (moby issue 47065).
    image = layout.docker_image() if is_docker else layout.oci_image(arch)
    config = layout.json(image.config, _Config)
    layers = []
    for path in image.layers:
        packer = unpack_layer(path, root, bounds)
        if packer not in _PACKINGS:
            raise layout.damaged(f"layer {path.name[:12]} is packed with {packer}, which no engine unpacks")
        digest = f"sha256:{_sha256(path)}"
        layers.append(LayerFacts(digest=digest, packing=_PACKINGS[packer], size_bytes=path.stat().st_size))
    process = config.config or _Process()
    env = dict(line.split("=", 1) for line in process.env or () if "=" in line)
    return ImageFacts(
        form="both" if is_oci and is_docker else "docker" if is_docker else "oci",
        reference=printable(image.reference),
        architecture=printable(config.architecture),
        os=printable(config.os),
        layers=tuple(layers),
        command=_command(process),
        path=_folders(env.get("PATH") or _DEFAULT_PATH),
        ld_library_path=_folders(env.get("LD_LIBRARY_PATH", "")),
    )


def _is_oci(folder: Path) -> bool:
    return (folder / "index.json").is_file() and (folder / "oci-layout").is_file()


def _is_docker(folder: Path) -> bool:
    """Many projects have a manifest.json of another kind."""
    path = folder / "manifest.json"
    if not path.is_file() or path.stat().st_size > _MAX_JSON_BYTES:
        return False
    try:
        return bool(msgspec.json.decode(path.read_bytes(), type=list[_Entry]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


class _Layout:
    """Reads one layout. archive: its name, for messages."""

    def __init__(self, folder: Path, archive: str) -> None:
        self._folder = folder
        self._archive = archive

    def docker_image(self) -> _Image:
        entry = self.json(self._folder / "manifest.json", list[_Entry])[0]
        layers = tuple(self._file(name) for name in self._bounded(entry.layers or ()))
        return _Image((entry.tags or [""])[0], self._file(entry.config), layers)

    def oci_image(self, arch: ArchName | None) -> _Image:
        descriptor, manifest = _Descriptor(""), self.json(self._folder / "index.json", _Index)
        for _ in range(_MAX_NESTED):
            if manifest.manifests is None:
                break
            descriptor = self._choose(manifest.manifests, arch)
            manifest = self.json(self._blob(descriptor.digest), _Index)
        if manifest.config is None:
            raise self.damaged("its index leads to no image")
        names = descriptor.annotations or {}
        layers = tuple(self._blob(each.digest) for each in self._bounded(manifest.layers or ()))
        return _Image(names.get(_NAME) or names.get(_TITLE, ""), self._blob(manifest.config.digest), layers)

    def json(self, path: Path, kind: type[_T]) -> _T:
        try:
            if path.stat().st_size > _MAX_JSON_BYTES:
                raise self.damaged(f"{path.name[:20]} is larger than a description can be")
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
            raise self.damaged(f"{path.name[:20]}: {err}") from err

    def damaged(self, reason: str) -> VerificationError:
        msg = f"{self._archive}: damaged image ({printable(reason)})"
        return VerificationError(msg, "build or save it again.")

    def _choose(self, manifests: Sequence[_Descriptor], arch: ArchName | None) -> _Descriptor:
        """The one for this architecture, else the first. "unknown" are attestations about others."""
        real = [each for each in manifests if not each.platform or each.platform.os != "unknown"]
        if not real:
            raise self.damaged("its index lists no image")
        wanted = ARCHES[arch].debian if arch else ""
        return next((each for each in real if each.platform and each.platform.architecture == wanted), real[0])

    def _bounded(self, layers: Sequence[_T]) -> Sequence[_T]:
        if len(layers) > _MAX_LAYERS:
            raise self.damaged(f"{len(layers)} layers")
        return layers

    def _blob(self, digest: str) -> Path:
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise self.damaged(f"'{digest[:80]}' is no digest")
        path = self._file(f"blobs/sha{match['bits']}/{match['hex']}")
        if _hash(path, f"sha{match['bits']}") != match["hex"]:
            raise self.damaged(f"blob {match['hex'][:12]} has other contents than its name says")
        return path

    def _file(self, name: str) -> Path:
        """Inside the layout: archives of old engines have links from one layer's folder to another's."""
        try:
            path = Path(os.path.realpath(self._folder / name))
            inside = path.is_relative_to(os.path.realpath(self._folder)) and path.is_file()
        except (ValueError, OSError) as err:
            raise self.damaged(f"'{name[:80]}' is no file name") from err
        if not inside:
            raise self.damaged(f"{name[:80]} is not in it")
        return path


def _command(process: _Process) -> tuple[str, ...]:
    """Entrypoint and arguments. A program named relative to the working folder becomes absolute."""
    words = [*(process.entrypoint or ()), *(process.cmd or ())]
    if words and "/" in words[0]:
        words[0] = posixpath.normpath(posixpath.join("/", process.folder or "", words[0]))
    return tuple(map(printable, words))


def _folders(text: str) -> tuple[str, ...]:
    return tuple(printable(each) for each in text.split(":") if each)


def _sha256(path: Path) -> str:
    return _hash(path, "sha256")


def _hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        digest = hashlib.new(algorithm)
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
