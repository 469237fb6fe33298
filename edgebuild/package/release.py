"""The release folder as it is opened: every byte of it is checked before anything of it is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from edgebuild.digest import digest_of
from edgebuild.errors import NotAvailable, VerificationError
from edgebuild.model.project import HealthSpec
from edgebuild.model.release import SCHEMA, Payload, Release, ReleaseFile
from edgebuild.model.target import ContainerSpec
from edgebuild.package.contents import is_plain_name, read_tarball, require_bytes
from edgebuild.package.oci import read_image_names
from edgebuild.package.sign import BadSignature, PublicKey, load_trusted, verify
from edgebuild.workspace import Workspace

MANIFEST, SIGNATURE = "release.json", "release.json.sig"
RELEASES = "releases"  # below the output folder
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")  # it becomes a folder's name on the box
_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_MANIFEST_BYTES = 64 << 20
_MAX_SIGNATURE_BYTES = 64 << 10
# What the JSON reader raises for what is no JSON, in its own text or in a key's bytes, or is nested without end.
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_FETCH_AGAIN = "fetch the release again, from where it was made."
_SEAL_AGAIN = "seal the release again, with `edgebuild release`."


class Opened(msgspec.Struct, frozen=True):
    """A release of which every byte was checked, and who signed it."""

    release: Release
    key: PublicKey


class _Schema(msgspec.Struct):
    schema: str = ""


def open_release(folder: Path, trusted: Path) -> Release:
    """A release that may be sent. Raises VerificationError; see verify_release()."""
    return verify_release(folder, trusted).release


def verify_release(folder: Path, trusted: Path) -> Opened:
    """verify_folder() with the keys of a trusted_keys file. Raises ConfigError, too, for a line that is no key."""
    return verify_folder(folder, load_trusted(trusted))


def verify_folder(folder: Path, trusted: Sequence[PublicKey]) -> Opened:
    """Checks signature, manifest and every member of every archive against each other.

    Nothing is interpreted before the signature, then the digest, has said that a trusted key's owner sealed it.
    Raises NotAvailable where there is no release, VerificationError.
    """
    content = _read(folder / MANIFEST, _MAX_MANIFEST_BYTES)
    key = _require_signed(content, folder, trusted)
    release = _decode(content, folder / MANIFEST)
    _require_sane(release, folder / MANIFEST)
    reasons = [reason for row in release.rows.values() for each in row.payloads for reason in _reasons(each, folder)]
    if reasons:
        raise VerificationError("\n".join(each.message for each in reasons), reasons[0].hint)
    return Opened(release, key)


def find_release(wish: str, ws: Workspace) -> Path:
    """A folder, or NAME-VERSION below out/releases. Raises NotAvailable."""
    for folder in (Path(wish), ws.out / RELEASES / wish):
        if folder.is_dir():
            return folder
    known = sorted(path.name for path in (ws.out / RELEASES).glob("[!.]*") if path.is_dir())
    msg = f"{wish}: no such release"
    raise NotAvailable(msg, f"there are: {', '.join(known)}." if known else "`edgebuild release` makes one.")


def canonical(release: Release) -> bytes:
    """The one spelling of a manifest: fields in their order, keys of tables sorted."""
    return msgspec.json.format(msgspec.json.encode(release, order="deterministic"), indent=1) + b"\n"


def payload_id(
    version: str, sha256: str, run: str, health: HealthSpec | None, container: ContainerSpec | None = None
) -> str:
    """Equal ids mean equal bytes, run and health, so a box that has the id needs nothing.

    container: of an image; what it is started with is part of how it runs.
    """
    parts = [sha256, run, msgspec.to_builtins(health), *([msgspec.to_builtins(container)] if container else [])]
    return f"{version}-{digest_of(parts)[:12]}"


def _read(path: Path, limit_bytes: int) -> bytes:
    if not path.is_file():
        msg = f"{path}: no such file, so there is no release"
        raise NotAvailable(msg, "`edgebuild release` makes one below out/releases/.")
    with path.open("rb") as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        msg = f"{path}: more than {limit_bytes >> 10} KiB"
        raise VerificationError(msg, _FETCH_AGAIN)
    return content


def _require_signed(content: bytes, folder: Path, trusted: Sequence[PublicKey]) -> PublicKey:
    if not (folder / SIGNATURE).is_file():
        msg = f"{folder}: the release is not signed ({SIGNATURE} is missing)"
        raise VerificationError(msg, "`edgebuild release` seals and signs.")
    signature = _read(folder / SIGNATURE, _MAX_SIGNATURE_BYTES)
    try:
        return verify(content, signature, trusted, what=str(folder / SIGNATURE))
    except BadSignature as err:
        try:
            msgspec.json.decode(content)
        except _MALFORMED:
            msg = f"{folder / MANIFEST}: damaged: not the JSON that was signed, nor any"
            raise VerificationError(msg, _FETCH_AGAIN) from err
        raise


def _decode(content: bytes, path: Path) -> Release:
    """Of a signed text. An unknown key means something that this edgebuild would not obey."""
    try:
        if (schema := msgspec.json.decode(content, type=_Schema).schema) != SCHEMA:
            msg = f"{path}: its schema is '{schema}', this edgebuild knows '{SCHEMA}'"
            raise VerificationError(msg, "another version of edgebuild reads it.")
        release = msgspec.json.decode(content, type=Release)
    except _MALFORMED as err:
        msg = f"{path}: signed, but not a release manifest ({err})"
        raise VerificationError(msg, _SEAL_AGAIN) from err
    if canonical(release) != content:
        msg = f"{path}: signed, but not as edgebuild writes it: it says more, or says it otherwise"
        raise VerificationError(msg, _SEAL_AGAIN)
    return release


def _require_sane(release: Release, path: Path) -> None:
    """What becomes a path, a folder's name or a word of a box's script is harmless, whoever signed it."""

    def require(holds: object, what: str) -> None:
        if not holds:
            msg = f"{path}: {what}"
            raise VerificationError(msg, _SEAL_AGAIN)

    require(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", release.name), f"name '{release.name}' is not allowed")
    require(VERSION.fullmatch(release.version), f"version '{release.version}' is not allowed")
    require(release.rows, "it has no rows")
    for target, row in release.rows.items():
        require(row.target == target and is_plain_name(target), f"row '{target}' says it is '{row.target}'")
        require(row.payloads, f"row '{target}' has no archive")
        for payload in row.payloads:
            require(is_plain_name(payload.archive), f"archive '{payload.archive}' is not the name of a file beside it")
            container = row.container if payload.format == "image" else None
            identity = payload_id(release.version, payload.sha256, release.run, release.health, container)
            require(payload.id == identity, f"{payload.archive}: id {payload.id}, expected {identity}")


def _reasons(payload: Payload, folder: Path) -> Iterator[VerificationError]:
    """Why an archive is not what the manifest says; nothing if it is."""
    path = folder / payload.archive
    try:
        require_bytes(path, sha256=payload.sha256, size_bytes=payload.size_bytes)
        if payload.format == "tarball":
            _compare_tarball(payload, path)
        else:
            _compare_image(payload, path)
    except VerificationError as err:
        yield err


def _compare_tarball(payload: Payload, path: Path) -> None:
    """Both ways: nothing is missing in the archive, nothing is there that the manifest does not name."""
    contents = read_tarball(path)
    listed, found = ({entry.path: entry for entry in files} for files in (payload.files, contents.files))
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            raise _mismatch(path, name, "is in the manifest and not in the archive")
        if name not in listed:
            raise _mismatch(path, name, "is in the archive and not in the manifest")
        if listed[name] != found[name]:
            raise _mismatch(path, name, _difference(listed[name], found[name]))
    if payload.files != contents.files or not is_plain_name(contents.top) or payload.top != contents.top:
        raise _mismatch(path, contents.top, "is not the top folder, or the list of files is not in order")
    if payload.unpacked_bytes != contents.unpacked_bytes:
        msg = f"{path.name}: unpacks to {contents.unpacked_bytes} bytes, the manifest says {payload.unpacked_bytes}"
        raise VerificationError(msg)


def _compare_image(payload: Payload, path: Path) -> None:
    """The engine checks layers against the config, whose digest the box compares with image_id."""
    reference, image_id, _ = read_image_names(path)
    if not _IMAGE_ID.fullmatch(payload.image_id) or (reference, image_id) != (payload.image, payload.image_id):
        msg = f"{path.name}: holds {reference} {image_id}, the manifest says {payload.image} {payload.image_id}"
        raise VerificationError(msg)


def _difference(listed: ReleaseFile, found: ReleaseFile) -> str:
    for field in ("link", "mode", "size_bytes", "sha256"):
        if (expected := getattr(listed, field)) != (there := getattr(found, field)):
            return f"has {field} '{there}' in the archive and '{expected}' in the manifest"
    return "differs"


def _mismatch(path: Path, member: str, why: str) -> VerificationError:
    return VerificationError(f"{path.name}: '{member}' {why}", _SEAL_AGAIN)
