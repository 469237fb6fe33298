"""Wheels as other people's tools write them, right or wrong: what is said is what the recipe says."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

Files = Mapping[str, bytes | Path]


def write_wheel(
    folder: Path,
    tag: str,
    files: Files,
    *,
    stated: str = "",
    pure: bool = False,
    name: str = "fast",
) -> Path:
    """A wheel of `name` 1.0 with a tag in its file name. stated: the tag inside, where it is another one."""
    path = folder / f"{name}-1.0-{tag}.whl"
    lines = ["Wheel-Version: 1.0", "Generator: corpus", f"Root-Is-Purelib: {str(pure).lower()}"]
    python, abi, platforms = (stated or tag).split("-")
    lines += [f"Tag: {python}-{abi}-{platform}" for platform in platforms.split(".")]
    info = f"{name}-1.0.dist-info"
    members = {member: data if isinstance(data, bytes) else data.read_bytes() for member, data in files.items()}
    members[f"{info}/WHEEL"] = "\n".join([*lines, ""]).encode()
    members[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    records = [f"{member},sha256={_digest(data)},{len(data)}" for member, data in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*records, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
