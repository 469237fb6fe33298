"""out/ROW/: how an artifact is written, found again and trusted."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from edgebuild.digest import sha256_file
from edgebuild.errors import NotAvailable, VerificationError
from edgebuild.model.elf import parse_version
from edgebuild.model.product import Artifact, Product
from edgebuild.package.contents import is_plain_name
from edgebuild.workspace import Workspace, write_atomic

_MANIFEST = "manifest.json"


def load_artifact(target: str, ws: Workspace) -> Artifact:
    """What `edgebuild build` left in out/ROW/. Raises NotAvailable, VerificationError."""
    manifest = ws.out / target / _MANIFEST
    if not manifest.is_file():
        msg = f"{manifest}: there is no artifact of '{target}' yet"
        raise NotAvailable(msg, f"`edgebuild build --target {target}` makes it.")
    try:
        artifact = msgspec.json.decode(manifest.read_bytes(), type=Artifact)
        _require_sane(artifact, target)
    except (msgspec.DecodeError, ValueError, RecursionError) as err:
        msg = f"{manifest}: cannot be read ({err})"
        raise VerificationError(msg, f"`edgebuild build --target {target}` makes the artifact anew.") from err
    return artifact


def _require_sane(artifact: Artifact, target: str) -> None:
    """What others make paths and numbers of: a folder of rows may come from other machines. Raises ValueError."""
    if artifact.target != target:
        msg = f"it is of '{artifact.target}'"
        raise ValueError(msg)
    for product in artifact.products:
        if not is_plain_name(product.path):
            msg = f"'{product.path}' is not the name of a file beside it"
            raise ValueError(msg)
    for versions in artifact.abi.values():
        for version in versions.values():
            parse_version(version or "0")


def verify_product(product: Product, folder: Path) -> None:
    """What is kept under a digest has to have it. Raises VerificationError."""
    path = folder / product.path
    if not path.is_file() or sha256_file(path) != product.sha256:
        msg = f"{path}: is not the file that the manifest beside it describes"
        raise VerificationError(msg, "build the target again.")


def up_to_date(target: str, plan: str, ws: Workspace) -> Artifact | None:
    """The artifact that lies there, if it was made from this plan and is still whole."""
    try:
        artifact = load_artifact(target, ws)
        if artifact.plan != plan:
            return None
        for product in artifact.products:
            verify_product(product, ws.out / target)
    except (NotAvailable, VerificationError):
        return None
    return artifact


def made_ns(target: str, ws: Workspace) -> int:
    """When the artifact that lies there was written; 0 where there is none."""
    try:
        return (ws.out / target / _MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0


def product_of(kind: str, path: Path) -> Product:
    return Product(kind=kind, path=path.name, sha256=sha256_file(path), size_bytes=path.stat().st_size)


def save_artifact(artifact: Artifact, folder: Path) -> None:
    write_atomic(folder / _MANIFEST, msgspec.json.format(msgspec.json.encode(artifact), indent=2) + b"\n")


def replace_folder(fresh: Path, place: Path) -> None:
    """Puts a finished folder in its place; the old one goes only when the new one is beside it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside, old = place.with_name(f".{place.name}.new"), place.with_name(f".{place.name}.old")
    for leftover in (beside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        shutil.copytree(fresh, beside)
        if place.exists():
            place.rename(old)
        beside.rename(place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
