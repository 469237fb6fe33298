"""A release folder opens only when every byte of it is what a trusted key's owner sealed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edgebuild.errors import NotAvailable, VerificationError
from edgebuild.model.release import Payload, Release
from edgebuild.package.release import MANIFEST, SIGNATURE, canonical, find_release, open_release, verify_release
from edgebuild.package.seal import describe, seal
from edgebuild.workspace import Workspace
from tests.releases import GOOD, PROJECT, artifact_of, sign_manifest, signing_key, trusting, write_members

KEY, OTHER = signing_key(1), signing_key(2)
ARCHIVE = "beat-1.0-generic-arm64.tar.gz"


@pytest.fixture
def place(ws: Workspace) -> Path:
    """A sealed release of one row."""
    tarball = write_members(ws.out / "generic-arm64" / ARCHIVE, *GOOD)
    return seal(describe(PROJECT, [artifact_of(tarball)], version="1.0", out=ws.out), KEY, ws=ws)


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    return trusting(tmp_path / "trusted_keys", KEY)


def manifest(place: Path) -> Release:
    return msgspec.json.decode((place / MANIFEST).read_bytes(), type=Release)


def with_payload(release: Release, **fields: object) -> Release:
    (row,) = release.rows.values()
    payload = msgspec.structs.replace(row.payloads[0], **fields)
    return msgspec.structs.replace(release, rows={row.target: msgspec.structs.replace(row, payloads=(payload,))})


def test_a_sealed_release_opens_and_says_who_signed_it(place: Path, trusted: Path) -> None:
    opened = verify_release(place, trusted)
    assert opened.release == manifest(place)
    assert opened.key.id == KEY.public.id
    payload = opened.release.rows["generic-arm64"].payload("tarball")
    assert payload is not None
    assert [(entry.path, entry.mode or entry.link) for entry in payload.files] == [
        ("bin/beat", "0755"),
        ("lib/libx.so", "libx.so.1"),
        ("lib/libx.so.1", "0644"),
    ]


def test_what_else_lies_in_the_folder_does_not_matter(place: Path, trusted: Path) -> None:
    (place / "notes.txt").write_text("tested on Tuesday")
    (place / "other.tar.gz").write_text("not listed, so never sent")
    assert open_release(place, trusted) == manifest(place)


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE, ARCHIVE])
def test_one_flipped_byte_anywhere_is_refused(name: str, place: Path, trusted: Path) -> None:
    path = place / name
    whole, chance = path.read_bytes(), random.Random(name)
    for position in {0, len(whole) - 1, *chance.sample(range(len(whole)), min(100, len(whole)))}:
        spoilt = bytearray(whole)
        spoilt[position] ^= 1 << chance.randrange(8)
        path.write_bytes(spoilt)
        with pytest.raises(VerificationError):
            open_release(place, trusted)
    path.write_bytes(whole)
    open_release(place, trusted)


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE, ARCHIVE])
def test_a_truncated_longer_or_empty_file_is_refused(name: str, place: Path, trusted: Path) -> None:
    path = place / name
    whole = path.read_bytes()
    for content in (whole[:-1], whole[: len(whole) // 2], b"", whole + b"\n", whole + whole):
        path.write_bytes(content)
        with pytest.raises(VerificationError):
            open_release(place, trusted)


def unsigned(place: Path, trusted: Path) -> None:
    (place / SIGNATURE).unlink()


def by_a_stranger(place: Path, trusted: Path) -> None:
    sign_manifest(place, (place / MANIFEST).read_bytes(), OTHER)


def revoked(place: Path, trusted: Path) -> None:
    trusting(trusted, OTHER)


def nobody_trusted(place: Path, trusted: Path) -> None:
    trusted.unlink()


def another_releases_signature(place: Path, trusted: Path) -> None:
    (place / SIGNATURE).write_bytes(KEY.sign(b"{}"))


def edited(place: Path, trusted: Path) -> None:
    path = place / MANIFEST
    path.write_text(path.read_text().replace('"version": "1.0"', '"version": "1.1"'))


def reordered(place: Path, trusted: Path) -> None:
    path = place / MANIFEST
    path.write_text(json.dumps(dict(reversed(list(json.loads(path.read_text()).items())))))


def cut_off(place: Path, trusted: Path) -> None:
    path = place / MANIFEST
    path.write_bytes(path.read_bytes()[:-40])


def huge_signature(place: Path, trusted: Path) -> None:
    (place / SIGNATURE).write_bytes(b"x" * 100_000)


def archive_gone(place: Path, trusted: Path) -> None:
    (place / ARCHIVE).unlink()


def archive_cut_off(place: Path, trusted: Path) -> None:
    (place / ARCHIVE).write_bytes((place / ARCHIVE).read_bytes()[:-9])


def another_archive(place: Path, trusted: Path) -> None:
    size_bytes = manifest(place).rows["generic-arm64"].payloads[0].size_bytes
    (place / ARCHIVE).write_bytes(b"x" * size_bytes)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (unsigned, "is not signed"),
        (by_a_stranger, r"signed by SHA256:.*, which is not a trusted key \(1 are\)"),
        (revoked, r"signed by SHA256:.*, which is not a trusted key \(1 are\)"),
        (nobody_trusted, r"signed by SHA256:.*, which is not a trusted key \(0 are\)"),
        (another_releases_signature, r"release\.json\.sig: bad signature"),
        (edited, r"release\.json\.sig: bad signature"),
        (reordered, r"release\.json\.sig: bad signature"),
        (cut_off, r"release\.json: damaged"),
        (huge_signature, r"release\.json\.sig: more than 64 KiB"),
        (archive_gone, "arm64.tar.gz: missing"),
        (archive_cut_off, r"arm64.tar.gz: \d+ bytes, expected \d+"),
        (another_archive, "arm64.tar.gz: sha256 .* its bytes were changed"),
    ],
)
def test_every_refusal_has_its_own_words(
    spoil: Callable[[Path, Path], None], message: str, place: Path, trusted: Path
) -> None:
    spoil(place, trusted)
    with pytest.raises(VerificationError, match=message):
        open_release(place, trusted)


# ---- What a trusted key signed is still not obeyed blindly. ----


def other_target(release: Release) -> Release:
    (row,) = release.rows.values()
    return msgspec.structs.replace(release, rows={"other": row})


def other_id(release: Release) -> Release:
    return with_payload(release, id="1.0-000000000000")


def other_file(release: Release, **fields: object) -> Release:
    files = release.rows["generic-arm64"].payloads[0].files
    return with_payload(release, files=(msgspec.structs.replace(files[0], **fields), *files[1:]))


def without_a_file(release: Release) -> Release:
    return with_payload(release, files=release.rows["generic-arm64"].payloads[0].files[1:])


def with_a_file_more(release: Release) -> Release:
    files = release.rows["generic-arm64"].payloads[0].files
    return with_payload(release, files=(*files, msgspec.structs.replace(files[0], path="bin/beat2")))


def out_of_order(release: Release) -> Release:
    return with_payload(release, files=release.rows["generic-arm64"].payloads[0].files[::-1])


def with_a_file_twice(release: Release) -> Release:
    files = release.rows["generic-arm64"].payloads[0].files
    return with_payload(release, files=(files[0], *files))


def as_an_image(release: Release) -> Release:
    return with_payload(release, format="image", image="beat:1.0", image_id="sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: msgspec.structs.replace(it, schema="edgebuild.release/2"), r"schema is 'edgebuild.release/2'"),
        (lambda it: msgspec.structs.replace(it, name="../x"), r"name '\.\./x' is not allowed"),
        (lambda it: msgspec.structs.replace(it, version="1/../.."), "version '1/../..' is not allowed"),
        (lambda it: msgspec.structs.replace(it, version="1.0; reboot"), "version '1.0; reboot' is not allowed"),
        (lambda it: msgspec.structs.replace(it, rows={}), "no rows"),
        (lambda it: msgspec.structs.replace(it, run="bin/other"), r"id 1\.0-\w+, expected 1\.0-\w+"),
        (other_target, "row 'other' says it is 'generic-arm64'"),
        (other_id, "id 1.0-000000000000, expected"),
        (lambda it: with_payload(it, archive="../beat.tar.gz"), "not the name of a file beside it"),
        (lambda it: with_payload(it, archive=".hidden"), "not the name of a file beside it"),
        (lambda it: with_payload(it, top="other"), "'beat' is not the top folder"),
        (lambda it: with_payload(it, unpacked_bytes=1), r"unpacks to 3020 bytes, the manifest says 1"),
        (lambda it: other_file(it, mode="0644"), "'bin/beat' has mode '0755' in the archive and '0644' in the man"),
        (lambda it: other_file(it, sha256="0" * 64), "'bin/beat' has sha256"),
        (lambda it: other_file(it, size_bytes=1), "'bin/beat' has size_bytes '20'"),
        (lambda it: other_file(it, link="beat2", mode="", sha256="", size_bytes=0), "'bin/beat' has link ''"),
        (lambda it: other_file(it, path="../bin/beat"), "is in the manifest and not in the archive"),
        (without_a_file, "'bin/beat' is in the archive and not in the manifest"),
        (with_a_file_more, "'bin/beat2' is in the manifest and not in the archive"),
        (out_of_order, "the list of files is not in order"),
        (with_a_file_twice, "the list of files is not in order"),
        (as_an_image, "not an image"),
    ],
)
def test_a_signed_manifest_that_is_wrong_is_refused(
    change: Callable[[Release], Release], message: str, place: Path, trusted: Path
) -> None:
    sign_manifest(place, canonical(change(manifest(place))), KEY)
    with pytest.raises(VerificationError, match=message):
        open_release(place, trusted)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a release manifest"),
        (b"[]", "not a release manifest"),
        (b'{"schema": "edgebuild.release/1"}', "not a release manifest"),
        (b'{"schema": "edgebuild.release/99"}', "edgebuild.release/99"),
        (b"\xff\xfe", "not a release manifest"),
        (b'{"schema": "\xe2"}', "not a release manifest"),
        (b'{"deep": ' + b"[" * 100_000, "not a release manifest"),
    ],
)
def test_a_signed_text_that_is_no_manifest_is_refused(content: bytes, message: str, place: Path, trusted: Path) -> None:
    sign_manifest(place, content, KEY)
    with pytest.raises(VerificationError, match=message):
        open_release(place, trusted)


def test_a_signed_key_that_this_edgebuild_does_not_know_is_not_passed_over(place: Path, trusted: Path) -> None:
    raw = json.loads((place / MANIFEST).read_text())
    sign_manifest(place, json.dumps({**raw, "not_before": "2030-01-01"}, indent=1).encode() + b"\n", KEY)
    with pytest.raises(VerificationError, match="it says more"):
        open_release(place, trusted)


def test_a_release_is_found_by_folder_or_by_name(place: Path, ws: Workspace, tmp_path: Path) -> None:
    assert find_release(str(place), ws) == place
    assert find_release("beat-1.0", ws) == place
    with pytest.raises(NotAvailable) as missing:
        find_release("beat-2.0", ws)
    assert missing.value.hint == "there are: beat-1.0."
    with pytest.raises(NotAvailable, match="there is no release"):
        open_release(tmp_path, tmp_path / "trusted_keys")


def test_a_payload_is_found_by_its_format(place: Path) -> None:
    row = manifest(place).rows["generic-arm64"]
    assert isinstance(row.payload("tarball"), Payload)
    assert row.payload("image") is None
