"""out/ROW/: what is damaged there is said in words, and what is half-written there goes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgebuild.commands.artifact import load_artifact, replace_folder, save_artifact, up_to_date
from edgebuild.commands.run import unpacked
from edgebuild.errors import NotAvailable, VerificationError
from edgebuild.model.product import Artifact
from edgebuild.workspace import Workspace
from tests.releases import GOOD, artifact_of, write_members

ROW = "generic-arm64"


@pytest.fixture
def built(ws: Workspace) -> Artifact:
    tarball = write_members(ws.out / ROW / "beat.tar.gz", *GOOD)
    artifact = artifact_of(tarball, target=ROW, abi={"bin/beat": {"GLIBC": "2.17"}})
    save_artifact(artifact, ws.out / ROW)
    return artifact


def test_a_whole_artifact_is_found_again(ws: Workspace, built: Artifact) -> None:
    assert up_to_date(ROW, built.plan, ws) == built


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"{", b"\xff\xfe", "cannot be read"),
        (b'"beat"', b'"b\xffeat"', "cannot be read"),
        (b'"abi": {', b'"more": ' + b"[" * 100_000, "cannot be read"),
        (b'"GLIBC": "2.17"', b'"GLIBC": "abc"', "abc"),
        (b'"path": "beat', b'"path": "../beat', "not the name of a file beside it"),
        (b'"target": "generic-arm64"', b'"target": "../other"', "it is of '../other'"),
    ],
)
def test_a_damaged_manifest_is_refused_in_words_and_built_again(
    ws: Workspace, built: Artifact, old: bytes, new: bytes, message: str
) -> None:
    manifest = ws.out / ROW / "manifest.json"
    text = manifest.read_bytes()
    assert old in text
    manifest.write_bytes(text.replace(old, new, 1))
    with pytest.raises(VerificationError, match=message) as caught:
        load_artifact(ROW, ws)
    assert "makes the artifact anew" in caught.value.hint
    assert up_to_date(ROW, built.plan, ws) is None


def test_an_artifact_without_the_archive_that_is_asked_for_says_how_to_get_it(ws: Workspace, built: Artifact) -> None:
    with pytest.raises(NotAvailable, match="has no tests"):
        unpacked(built, ("tarball", "tests"), ws)
    assert (unpacked(built, ("tarball",), ws) / "bin/beat").is_file()


def test_an_interrupt_while_a_folder_is_put_in_place_leaves_the_old_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, place = tmp_path / "scratch", tmp_path / "out" / ROW
    for folder, text in ((fresh, "new"), (place, "old")):
        folder.mkdir(parents=True)
        (folder / "file").write_text(text)

    def interrupted(_: Path, target: Path) -> None:
        target.mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copytree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            replace_folder(fresh, place)
    assert [path.name for path in place.parent.iterdir()] == [ROW]
    assert (place / "file").read_text() == "old"
    replace_folder(fresh, place)
    assert [path.name for path in place.parent.iterdir()] == [ROW]
    assert (place / "file").read_text() == "new"
