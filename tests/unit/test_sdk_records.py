"""SDKs as a project has them on record: what a stranger's files say, names, a second import, list, show and remove."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgebuild.config import sdk as sdk_records
from edgebuild.config.sdk import load_sdk, sdk_names
from edgebuild.errors import ConfigError
from edgebuild.workspace import Workspace, write_atomic
from tests.elf_writer import Elf, write_elf
from tests.unit.test_sdk_import import SDK, YES, call, folder, imported, refused, tar


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    return tar(tmp_path / "acme-sdk-1.4.2.tar.gz", SDK)


@pytest.mark.parametrize(
    ("file", "content", "version"),
    [
        ("acme/version.json", b"[" * 200_000, "1.4"),
        ("acme/version.json", b'{"acme": {"version": "2.0\\ud800\\u001b[31m\\n"}}', "2.0\ufffd\ufffd[31m"),
        ("acme/a.dist-info/METADATA", b"Name: a\nVersion: 3.0\x1b[2J\n", "3.0\ufffd[2J"),
    ],
)
def test_whatever_its_files_say_becomes_one_line(
    file: str, content: bytes, version: str, tmp_path: Path, ws: Workspace
) -> None:
    """Of a file that a stranger has made: nested to no end, half a letter, what steers a terminal."""
    source = folder(tmp_path / "acme\rLibs: -Wl,evil-1.4", {**SDK, file: content})
    document = imported(ws, source)
    assert document["version"] == version and document["title"].isprintable()
    written = (Path(document["prefix"]) / "lib/pkgconfig/acme.pc").read_bytes()
    assert b"\r" not in written, "pkg-config takes it for the end of a line"


def test_a_name_is_no_path_to_files_of_the_project(acme: Path, ws: Workspace) -> None:
    imported(ws, acme)
    precious = ws.project / "edgebuild.yaml"
    precious.write_text("name: demo\n")
    for words in (("remove", "../../edgebuild"), ("show", "../../edgebuild"), ("remove", "../sdks/acme")):
        assert "no SDK named" in str(call(ws, *words).exception), words
    assert precious.is_file() and sdk_names(ws) == ("acme",)


def test_a_pipe_is_not_waited_for(tmp_path: Path, ws: Workspace) -> None:
    os.mkfifo(tmp_path / "pipe-1.0")
    assert "a pipe, a device or a socket" in refused(ws, tmp_path / "pipe-1.0", *YES).message


def test_a_second_import_that_is_interrupted_leaves_the_first(
    acme: Path, ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise leave to ship what an old SDK has would go for the files of a new one."""
    imported(ws, acme, "--redistributable")
    first = load_sdk("acme", ws)
    other = tar(tmp_path / "acme-2.0.tar.gz", {**SDK, "acme/lib/libtwo.so": write_elf(Elf(soname="libtwo.so"))})
    seen: list[bool] = []

    def interrupted(path: Path, content: str | bytes) -> None:
        seen.append((ws.project / "sysroots/sdks/acme.yaml").exists())
        if path.suffix == ".yaml" and len(seen) == 3:
            raise KeyboardInterrupt
        write_atomic(path, content)

    monkeypatch.setattr(sdk_records, "write_atomic", interrupted)
    assert call(ws, "import", other, "--as", "acme", *YES).exit_code != 0
    assert seen[:3] == [False] * 3, "killed there, it would be no SDK rather than half of each"
    assert load_sdk("acme", ws) == first


@pytest.mark.parametrize(
    ("word", "hostile"),
    [
        ("soname: libacme.so.1", 'soname: "../../evil.so"'),
        ("path: acme/lib/", "path: ../../lib/"),
        ("includes: [acme/include]", 'includes: ["/usr/include"]'),
        ("files: 4", 'files: 4\nfiles_written: {"lib/../../../evil": x}'),
        ("  file: acme-", "  file: ../../acme-"),
    ],
)
def test_a_lock_that_others_have_written_leads_nowhere_else(word: str, hostile: str, acme: Path, ws: Workspace) -> None:
    imported(ws, acme)
    lock = ws.project / "sysroots/sdks/acme.lock"
    assert word in lock.read_text()
    lock.write_text(lock.read_text().replace(word, hostile))
    error = call(ws, "provide", "acme").exception
    assert isinstance(error, ConfigError) and str(lock) in error.message, error


def test_list_show_and_remove(acme: Path, ws: Workspace) -> None:
    product = Path(imported(ws, acme)["prefix"]).parent
    assert "acme" in call(ws, "list").stdout and "Acme Evaluation Licence" in call(ws, "list").stdout
    (listed,) = json.loads(call(ws, "list", "--json").stdout)["sdks"]
    shown = json.loads(call(ws, "show", "acme", "--json").stdout)
    assert listed["name"] == shown["name"] == "acme" and shown["provided"]
    text = call(ws, "show", "acme").stdout
    assert "find_package(acme)" in text and "never ships" in text and "acme::acme" in text
    other = replace(ws, project=ws.project / "other")
    imported(other, acme)
    assert call(ws, "remove", "acme").exit_code == 0
    assert not sdk_names(ws) and not (ws.project / "sysroots/sdks").exists()
    assert product.exists() and call(other, "provide", "acme").exit_code == 0, "other projects go on using it"
    assert call(other, "remove", "acme", "--cached").exit_code == 0
    assert not product.exists() and not list((ws.cache / "downloads").rglob("*.zst"))
    assert isinstance(call(ws, "show", "acme").exception, ConfigError)
    assert isinstance(call(ws, "remove", "acme").exception, ConfigError)


def test_a_record_that_was_changed_is_no_longer_trusted(acme: Path, ws: Workspace) -> None:
    imported(ws, acme)
    file = ws.project / "sysroots/sdks/acme.yaml"
    file.write_text(file.read_text().replace("redistributable", "redistributable") + "redistributable: true\n")
    assert load_sdk("acme", ws).recipe.redistributable, "leave to ship may be given later"
    file.write_text(file.read_text() + 'only: ["lib/*"]\n')
    with pytest.raises(ConfigError, match="no longer matches"):
        load_sdk("acme", ws)
    file.write_text("garbage\n")
    with pytest.raises(ConfigError) as told:
        load_sdk("acme", ws)
    assert str(file) in told.value.message and "sdk import SOURCE --as acme" in told.value.hint
