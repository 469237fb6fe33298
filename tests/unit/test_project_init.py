"""`edgebuild init` writes a file that edgebuild itself accepts; `edgebuild schema` says the same to editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgebuild.cli import main
from edgebuild.config.project import load_project, project_version
from edgebuild.config.schema import schema_of, target_words
from edgebuild.config.targets import row_names
from edgebuild.run import run

LISTS = 'project("Store_Guard" VERSION 2.3.1)\nadd_executable(store_guard main.cc)\n'


def edgebuild(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "guard"
    place.mkdir()
    (place / "CMakeLists.txt").write_text(LISTS)
    (place / "conanfile.txt").write_text("[requires]\n")
    return place


def test_what_init_writes_is_a_project(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert edgebuild("init", str(folder)) == 0
    project = load_project(folder)
    assert (project.name, project.version, project.run) == ("store-guard", "cmake", "bin/store_guard")
    assert project.source.conan == "conanfile.txt"
    assert project.targets == row_names()
    assert project_version(project, folder, run) == "2.3.1"
    captured = capsys.readouterr()
    assert captured.out == f"{folder / 'edgebuild.yaml'}\n"
    assert "edgebuild build --target" in captured.err


def test_every_line_is_explained(folder: Path) -> None:
    assert edgebuild("init", str(folder)) == 0
    lines = (folder / "edgebuild.yaml").read_text().splitlines()
    assert all("# " in line for line in lines)
    assert max(map(len, lines)) <= 120


def test_the_schema_lies_where_the_first_line_says(folder: Path) -> None:
    assert edgebuild("init", str(folder)) == 0
    first = (folder / "edgebuild.yaml").read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert json.loads((folder / first.partition("=")[2]).read_text()) == json.loads(json.dumps(schema_of("project")))


def test_without_a_cmakelists_the_folder_gives_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "My Box_App"
    place.mkdir()
    assert edgebuild("init", str(place)) == 0
    written = yaml.safe_load((place / "edgebuild.yaml").read_text())
    assert (written["name"], written["version"]) == ("my-box-app", "0.1.0")
    assert "no CMakeLists.txt yet" in capsys.readouterr().err


def test_a_file_that_is_there_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "edgebuild.yaml").write_text("name: mine\n")
    assert edgebuild("init", str(folder)) == 2
    assert (folder / "edgebuild.yaml").read_text() == "name: mine\n"
    assert "is not overwritten" in capsys.readouterr().err
    assert not (folder / ".edgebuild").exists()


@pytest.mark.parametrize("name", ["Guard", "a_b", "-a", "x" * 41])
def test_a_name_that_cannot_be_one_writes_nothing(folder: Path, name: str) -> None:
    assert edgebuild("init", str(folder), f"--name={name}") == 2
    assert not (folder / "edgebuild.yaml").exists()


def test_a_chosen_name_is_taken(folder: Path) -> None:
    assert edgebuild("init", str(folder), "--name", "gate") == 0
    assert load_project(folder).name == "gate"


@pytest.mark.parametrize("name", ["2048", "on", "null", "2024-13-01", "0x1f"])
def test_a_name_that_yaml_takes_for_something_else_stays_a_name(folder: Path, name: str) -> None:
    assert edgebuild("init", str(folder), "--name", name) == 0
    assert load_project(folder).name == name


def test_the_folder_to_work_in_is_where_the_file_goes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert edgebuild("-C", "guard", "init") == 0
    (folder / "sub").mkdir()
    assert edgebuild("-C", "guard", "init", "sub") == 0
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("edgebuild.yaml")) == [
        "edgebuild.yaml",
        "sub/edgebuild.yaml",
    ]


def test_a_project_beside_the_way_to_the_folder_is_not_the_folders(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edgebuild("init", str(folder), "--name", "wrong") == 0
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert edgebuild("-C", "guard/../other", "ci", "matrix") == 0
    assert "edgecore-" in capsys.readouterr().out


def test_core_only_is_for_the_core(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert edgebuild("init", str(folder)) == 0
    assert edgebuild("-C", str(folder), "build", "--all", "--core-only") == 2
    assert "'store-guard' is a project of its own" in capsys.readouterr().err


# ---- The schema ----


def keys_of(schema: dict[str, Any], record: str) -> set[str]:
    return set(schema["$defs"][record]["properties"])


def test_the_schema_knows_every_key_and_refuses_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert edgebuild("schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert keys_of(schema, "Project") == {
        "name",
        "version",
        "targets",
        "source",
        "format",
        "toolchain",
        "sdk",
        "run",
        "health",
        "waivers",
    }
    assert {"cmd", "url", "timeout", "for"} == keys_of(schema, "HealthSpec")
    assert all(record["additionalProperties"] is False for record in schema["$defs"].values())
    assert schema["$defs"]["Project"]["required"] == ["name", "version", "targets"]


def test_editors_offer_the_targets_there_are() -> None:
    fields = schema_of("project")["$defs"]["Project"]["properties"]
    names = fields["targets"]["items"]["anyOf"][0]["enum"]
    assert names == target_words() and {*row_names(), "arm64"} <= set(names)
    assert fields["format"]["propertyNames"]["enum"] == ["default", *names]


def test_the_fleet_has_a_schema_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert edgebuild("schema", "fleet") == 0
    assert {"release", "boxes"} <= keys_of(json.loads(capsys.readouterr().out), "Fleet")


def test_descriptions_are_not_indented_as_in_the_source() -> None:
    description = schema_of("project")["$defs"]["Project"]["description"]
    assert "${STATE}" in description and "\n  " not in description
