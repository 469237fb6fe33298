"""An SDK that is imported again: what somebody edited stays or is named, and two imports of a name do not mix."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgebuild.config.sdk import load_sdk
from edgebuild.log import Log
from edgebuild.workspace import Workspace
from tests.unit.test_sdk_import import SDK, YES, call, imported, tar


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    return tar(tmp_path / "acme-sdk-1.4.2.tar.gz", SDK)


EDITS = {
    "title": "Acme, as our customers call it",
    "version": "1.4.2-r2",
    "url": "https://files.example.org/acme.tar.zst",
    "redistributable": True,
    "cmake_variables": {"ACME_ROOT": "${PREFIX}/acme"},
}


def edit_recipe(ws: Workspace) -> None:
    file = ws.project / "sysroots/sdks/acme.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **EDITS}))


def recipe_of(ws: Workspace) -> dict[str, Any]:
    recipe = load_sdk("acme", ws).recipe
    return {name: getattr(recipe, name) for name in EDITS}


def test_what_was_edited_in_the_recipe_is_still_there_after_another_import(sdk: Path, ws: Workspace) -> None:
    imported(ws, sdk)
    edit_recipe(ws)
    imported(ws, sdk)
    assert recipe_of(ws) == EDITS
    imported(ws, sdk, "--title", "Acme", "--version", "2")
    assert recipe_of(ws) == {**EDITS, "title": "Acme", "version": "2"}, "what is said counts"
    imported(ws, sdk, "--licence", "Acme Free", "--accept-licence", "Acme Free")
    assert not recipe_of(ws)["redistributable"], "the other licence let it ship"


def test_edits_that_another_source_ends_are_named(sdk: Path, ws: Workspace, tmp_path: Path) -> None:
    imported(ws, sdk)
    edit_recipe(ws)
    said = StringIO()
    imported(replace(ws, log=Log(said)), tar(tmp_path / "acme-sdk-1.5.tar.gz", SDK))
    assert recipe_of(ws)["version"] == "1.5" and not recipe_of(ws)["url"]
    assert (
        "was of acme-sdk-1.4.2.tar.gz, so this is not what it was: title, url, redistributable, cmake_"
        in said.getvalue()
    )


def test_a_version_is_of_the_files_that_it_was_said_of(ws: Workspace, tmp_path: Path) -> None:
    """A box, folder or archive keeps its name when a newer release comes to lie there."""
    said = StringIO()
    told = replace(ws, log=Log(said))
    imported(ws, tar(tmp_path / "acme.tar.gz", {**SDK, "acme/version.json": b'{"version": "1.4.2"}'}))
    edit_recipe(ws)
    imported(told, tar(tmp_path / "acme.tar.gz", {**SDK, "acme/version.json": b'{"version": "1.5"}'}))
    assert recipe_of(ws) == {**EDITS, "version": "1.5"}
    assert "was of other files of acme.tar.gz, so this is not what it was: version" in said.getvalue()
    untold = call(ws, "import", tar(tmp_path / "acme.tar.gz", SDK), "--as", "acme", *YES)
    assert "neither its name nor its files tell its version" in str(untold.exception)
    assert recipe_of(ws)["version"] == "1.5", "nothing was written"


def test_a_recipe_that_cannot_be_read_is_made_anew_and_that_is_told(sdk: Path, ws: Workspace) -> None:
    imported(ws, sdk)
    file = ws.project / "sysroots/sdks/acme.yaml"
    file.write_text(file.read_text() + "titel: Acme\n")
    said = StringIO()
    imported(replace(ws, log=Log(said)), sdk)
    assert recipe_of(ws)["version"] == "1.4.2"
    assert f"{file}: could not be read, so nothing of it is kept" in said.getvalue()


def test_two_imports_of_one_name_wait_for_each_other(sdk: Path, ws: Workspace) -> None:
    """Their recipe, lock and symbols would be of two archives."""
    context = multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()

    def import_slowly() -> None:
        with ws.lock("import-sdk-acme"):
            held.set()
            release.wait(20)

    first = context.Process(target=import_slowly)
    first.start()
    assert held.wait(20)
    waiting = replace(ws, log=Log(StringIO()))
    waiting.log.note = lambda _: (release.set(), told.append(_))  # type: ignore[method-assign, assignment]
    told: list[str] = []
    imported(waiting, sdk)
    first.join(20)
    assert any("import-sdk-acme" in each for each in told)
