"""Container images written by hand, so that each thing about them can be wrong: docker-archive, OCI layout, or both."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any, Literal

import zstandard

from tests.corpus.shop import Shop

Form = Literal["docker", "oci", "both"]
Packing = Literal["none", "gzip", "zstd"]
_LAYER_TYPE = {
    "none": "application/vnd.oci.image.layer.v1.tar",
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
_LIBRARIES = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libgcc_s.so.1", "libstdc++.so.6")
MULTIARCH = "usr/lib/aarch64-linux-gnu"


def base(shop: Shop, root: str, *, libraries: tuple[str, ...] = _LIBRARIES, shell: bool = True) -> Path:
    """A root file system with real libraries of a sysroot ("debian-11-arm64"), below bench/rootfs."""
    place = shop.bench / "rootfs"
    files = [f"{MULTIARCH}/{library}" for library in libraries]
    shop.from_root(root, f"{MULTIARCH}/ld-linux-aarch64.so.1", *files, to=place)
    if shell:
        shop.from_root(root, "usr/bin/dash", to=place)
        (place / "usr/bin/sh").symlink_to("dash")
    for name in ("bin", "lib"):
        (place / "usr" / name).mkdir(exist_ok=True)
        (place / name).symlink_to(f"usr/{name}")
    (place / "usr/lib/ld-linux-aarch64.so.1").symlink_to("aarch64-linux-gnu/ld-linux-aarch64.so.1")
    (place / "etc/ld.so.conf.d").mkdir(parents=True)
    (place / "etc/ld.so.conf").write_text("include /etc/ld.so.conf.d/*.conf\n")
    (place / "etc/ld.so.conf.d/aarch64-linux-gnu.conf").write_text(f"/{MULTIARCH.removeprefix('usr/')}\n/{MULTIARCH}\n")
    (place / "app").mkdir()
    return place


def write_image(
    path: Path,
    *folders: Path,
    entrypoint: tuple[str, ...] = ("/app/run",),
    architecture: str = "arm64",
    form: Form = "both",
    packing: Packing = "gzip",
) -> Path:
    """A layer per folder, one tag. form "docker": as `docker save` wrote it before 25; "oci": index.json alone."""
    layers = [_layer(folder) for folder in folders]
    packed = [_pack(layer, packing) for layer in layers]
    config = _json(
        {
            "architecture": architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Entrypoint": list(entrypoint), "Env": ["PATH=/usr/bin:/bin"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(each)}" for each in layers]},
            "history": [{"created": "1970-01-01T00:00:00Z"} for _ in layers],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor(_LAYER_TYPE[packing], each) for each in packed],
        }
    )
    blobs = "blobs/sha256/"
    members: dict[str, bytes] = {}
    if form == "docker":
        config_name, layer_names = f"{_sha256(config)}.json", [f"{_sha256(each)}/layer.tar" for each in layers]
    else:
        config_name, layer_names = blobs + _sha256(config), [blobs + _sha256(each) for each in packed]
        index = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
        platform = {"architecture": architecture, "os": "linux"}
        annotations = {"org.opencontainers.image.ref.name": "1.0"}
        members["oci-layout"] = _json({"imageLayoutVersion": "1.0.0"})
        members["index.json"] = _json(
            {"schemaVersion": 2, "manifests": [{**index, "platform": platform, "annotations": annotations}]}
        )
        members[blobs + _sha256(manifest)] = manifest
    members |= {config_name: config, **dict(zip(layer_names, packed, strict=True))}
    if form != "oci":
        members["manifest.json"] = _json([{"Config": config_name, "RepoTags": ["app:1.0"], "Layers": layer_names}])
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            _add(archive, name, data)
    return path


def _layer(rootfs: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in sorted(rootfs.rglob("*")):
            info = archive.gettarinfo(path, path.relative_to(rootfs).as_posix())
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = ""
            if info.isreg():
                with path.open("rb") as file:
                    archive.addfile(info, file)
            else:
                archive.addfile(info)
    return stream.getvalue()


def _pack(layer: bytes, packing: Packing) -> bytes:
    match packing:
        case "none":
            return layer
        case "gzip":
            return gzip.compress(layer, 1, mtime=0)
        case "zstd":
            return zstandard.compress(layer, 3)


def _descriptor(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": f"sha256:{_sha256(data)}", "size": len(data)}


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
