"""out/ROW/: how an artifact is written, found again and trusted."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from edgebuild.digest import sha256_file
from edgebuild.errors import NotAvailable, VerificationError
from edgebuild.model.product import Artifact, Product
from edgebuild.workspace import Workspace, write_atomic

_MANIFEST = "manifest.json"


def load_artifact(target: str, ws: Workspace) -> Artifact:
    """What `edgebuild build` left in out/ROW/. Raises NotAvailable, VerificationError."""
    manifest = ws.out / target / _MANIFEST
    if not manifest.is_file():
        msg = f"{manifest}: there is no artifact of '{target}' yet"
        raise NotAvailable(msg, f"`edgebuild build --target {target}` makes it.")
    try:
        return msgspec.json.decode(manifest.read_bytes(), type=Artifact)
    except msgspec.DecodeError as err:
        msg = f"{manifest}: cannot be read ({err})"
        raise VerificationError(msg, f"`edgebuild build --target {target}` makes the artifact anew.") from err


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
    shutil.copytree(fresh, beside)
    if place.exists():
        place.rename(old)
    beside.rename(place)
    shutil.rmtree(old, ignore_errors=True)
