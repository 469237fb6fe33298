"""One file that is an OCI layout and a docker-archive at once, assembled without an engine.

Sources: OCI image-spec 1.0 (image-layout.md, config.md); moby image/spec/v1.2.md for manifest.json.
"""

from __future__ import annotations

import io
import json
import os
import posixpath
import re
import shlex
import tarfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

from edgebuild.digest import sha256_file
from edgebuild.errors import ConfigError, VerificationError
from edgebuild.model.arch import Arch
from edgebuild.model.image import ImageBase, ImageFacts, LayerFacts
from edgebuild.package.layers import base_layer, provide_layer, split_tree
from edgebuild.package.tarball import source_date
from edgebuild.workspace import Workspace

APP, STATE, RUN = "/app", "/state", "/run"
_PLACES = {"${APP}": APP, "${STATE}": STATE, "${RUN}": RUN}
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_INDEX = "application/vnd.oci.image.index.v1+json"
_TITLE = "org.opencontainers.image"


def image_command(run: str) -> tuple[str, ...]:
    """Words of a command line of edgebuild.yaml as they are in a container; a path relative to the installed tree
    becomes absolute. Raises ConfigError.
    """
    try:
        words = shlex.split(run)
    except ValueError as err:
        msg = f"run: '{run}' cannot be split into words ({err})"
        raise ConfigError(msg, "close the quote.") from err
    if not words:
        msg = "run: empty, so an image would not know what to start"
        raise ConfigError(msg, "say `run: bin/NAME ...` in edgebuild.yaml.")
    for place, folder in _PLACES.items():
        words = [word.replace(place, folder) for word in words]
    if "/" in words[0]:
        words[0] = posixpath.normpath(posixpath.join(APP, words[0]))
    return tuple(words)


def write_image(
    base: ImageBase,
    stage: Path,
    path: Path,
    *,
    name: str,
    version: str,
    target: str,
    command: Sequence[str],
    labels: Mapping[str, str] | None = None,
    created: int | None = None,
    ws: Workspace,
) -> ImageFacts:
    """An image of the base with the staged tree at /app; `path` appears whole or not at all.

    command: as image_command() gives it. created: seconds, SOURCE_DATE_EPOCH by default. Raises ConfigError when
    the command's program is not in the tree, BuildError for what cannot be packed.
    """
    _require_program(stage, command[0])
    layers = [base_layer(base.root, uid=base.user.uid, gid=base.user.gid), *split_tree(stage)]
    packed = [provide_layer(layer, ws=ws) for layer in layers]
    facts = [fact for _, fact in packed]
    tag = re.sub(r"[^\w.-]", "-", f"{version}-{target}")  # what a tag may hold; a version may have "+"
    described = {
        **(labels or {}),
        f"{_TITLE}.title": name,
        f"{_TITLE}.version": version,
        f"{_TITLE}.base.name": base.name,
    }
    config = _json(
        _config(base, facts, command, described, source_date() if created is None else created),
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": _digest(config), "size": len(config)},
            "layers": [{"mediaType": _LAYER, "digest": fact.digest, "size": fact.size_bytes} for fact in facts],
        }
    )
    reference = f"{name}:{tag}"
    members: dict[str, bytes | Path] = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(_index(manifest, base.arch, reference)),
        "manifest.json": _json(
            [
                {
                    "Config": _blob(_digest(config)),
                    "RepoTags": [reference],
                    "Layers": [_blob(fact.digest) for fact in facts],
                }
            ]
        ),
        _blob(_digest(manifest)): manifest,
        _blob(_digest(config)): config,
        **{_blob(fact.digest): layer for layer, fact in packed},
    }
    _write(members, path)
    return ImageFacts(
        reference=reference,
        image_id=_digest(config),
        manifest=_digest(manifest),
        sha256=sha256_file(path),
        size_bytes=path.stat().st_size,
        layers=tuple(facts),
    )


def read_image_names(path: Path) -> tuple[str, str, str]:
    """(reference, image id, manifest digest) of a file that write_image() made. Raises VerificationError."""
    try:
        with tarfile.open(path, "r:") as archive:
            (entry,) = _member_json(archive, "manifest.json")
            (descriptor,) = _member_json(archive, "index.json")["manifests"]
        return entry["RepoTags"][0], f"sha256:{posixpath.basename(entry['Config'])}", descriptor["digest"]
    except (tarfile.TarError, ValueError, KeyError, IndexError, TypeError) as err:
        msg = f"{path}: not an image ({err or type(err).__name__})"
        raise VerificationError(msg, "build the target again.") from err


def _require_program(stage: Path, program: str) -> None:
    if not program.startswith(f"{APP}/"):
        return
    inside = program.removeprefix(f"{APP}/")
    place = stage / inside
    if not place.is_file() or not place.stat().st_mode & 0o100:
        msg = f"run: {inside}: the installed tree has no such program"
        raise ConfigError(msg, "name a program that the project installs, relative to the installed tree.")


def _config(
    base: ImageBase, layers: Sequence[LayerFacts], command: Sequence[str], labels: Mapping[str, str], created_s: int
) -> dict[str, Any]:
    """No "variant": arm64 has only one; Docker 20.10 runs the image for linux/arm64 and linux/arm64/v8 alike."""
    created = datetime.fromtimestamp(created_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "architecture": base.arch.debian,
        "os": "linux",
        "created": created,
        "config": {
            "User": f"{base.user.uid}:{base.user.gid}",
            "Env": [f"PATH={APP}/bin", f"APP={APP}", f"STATE={STATE}", f"RUN={RUN}"],
            "Entrypoint": list(command),
            "WorkingDir": APP,
            "Labels": dict(labels),
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": created, "created_by": f"edgebuild: {layer.title}"} for layer in layers],
    }


def _index(manifest: bytes, arch: Arch, reference: str) -> dict[str, Any]:
    """Two names: the tag, by which tools find an image in a layout, and the whole, which containerd gives it."""
    annotations = {
        f"{_TITLE}.ref.name": reference.partition(":")[2],
        "io.containerd.image.name": f"docker.io/library/{reference}",
    }
    descriptor = {
        "mediaType": _MANIFEST,
        "digest": _digest(manifest),
        "size": len(manifest),
        "platform": {"architecture": arch.debian, "os": "linux"},
        "annotations": annotations,
    }
    return {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [descriptor]}


def _write(members: Mapping[str, bytes | Path], path: Path) -> None:
    """The outer tar, not packed again: its layers are. Small members first, so that readers meet them early."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with tarfile.open(fresh, "w", format=tarfile.USTAR_FORMAT) as archive:
            for name in ("blobs", "blobs/sha256"):
                folder = tarfile.TarInfo(name)
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(folder)
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                if isinstance(content, bytes):
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
                else:
                    member.size = content.stat().st_size
                    with content.open("rb") as file:
                        archive.addfile(member, file)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _member_json(archive: tarfile.TarFile, name: str) -> Any:
    content = archive.extractfile(name)
    if content is None:
        msg = f"no {name} in it"
        raise ValueError(msg)
    return json.load(content)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
