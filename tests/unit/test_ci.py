"""CI: every row once in the matrix, and workflows that ask for it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from edgebuild import __version__, ci
from edgebuild.commands.ci import command, installed_from
from edgebuild.commands.context import Context
from edgebuild.config import targets
from edgebuild.errors import ConfigError
from edgebuild.log import Log
from edgebuild.run import run
from edgebuild.workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOW = REPOSITORY / ".github" / "workflows" / "build.yml"
ROWS = REPOSITORY / "edgebuild" / "targets"
SETUP = ci.Setup(install="edgebuild==1.2.3")

# A target's row as only these tests know it, beside the shipped ones.
NEW_ROW = "title: New\nalias: [novel]\ncontract: generic-arm64\ntoolchain: zig\nbackends: [cpu]\n"


def call(*argv: str, project: Path = REPOSITORY) -> Result:
    ws = Workspace(cache=project / "cache", out=project / "out", project=project, log=Log(quiet=True))
    return CliRunner().invoke(command, [*argv], obj=Context(ws, run))


def printed(*argv: str, project: Path = REPOSITORY) -> str:
    result = call(*argv, project=project)
    assert result.exception is None, result.exception
    return result.stdout


def refused(*argv: str, project: Path) -> ConfigError:
    error = call(*argv, project=project).exception
    assert isinstance(error, ConfigError)
    return error


def listed(*argv: str, project: Path = REPOSITORY) -> list[str]:
    document = json.loads(printed("matrix", "--format", "json", *argv, project=project))
    assert document["schema"] == "edgebuild.ci-matrix/1"
    return [row["target"] for row in document["rows"]]


def row_files() -> list[str]:
    return sorted(path.stem for path in ROWS.glob("*.yaml"))


@pytest.fixture
def more_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of rows is a copy that a test may add to."""
    rows = tmp_path / "targets"
    rows.mkdir()
    for path in ROWS.glob("*.yaml"):
        (rows / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(targets, "_ROWS", rows)
    return rows


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's project for one row, which it calls by alias and by name."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text("project(door VERSION 2.0.0)\n")
    (folder / "edgebuild.yaml").write_text(
        "name: door\nversion: cmake\ntargets: [arm64, generic-arm64]\n"
        "format: {arm64: [image, tarball]}\nrun: bin/door\n"
    )
    return folder


def test_the_matrix_has_every_row_once() -> None:
    assert listed() == row_files()


def test_names_aliases_and_families_add_no_second_entry() -> None:
    wishes = [word for wish in ("desk", "generic-*", "arm64", "generic-x86_64") for word in ("--target", wish)]
    assert listed(*wishes) == ["generic-arm64", "generic-x86_64"]


def test_the_order_does_not_depend_on_the_wishes() -> None:
    assert listed("-t", "desk", "-t", "arm64") == listed("-t", "arm64", "-t", "desk")


def test_a_new_row_is_in_the_matrix_by_its_file_alone(more_rows: Path) -> None:
    (more_rows / "a-new-box.yaml").write_text(NEW_ROW)
    assert listed() == ["a-new-box", *row_files()]
    assert listed("--target", "novel") == ["a-new-box"]


def test_a_row_that_cannot_be_loaded_ends_ci_before_a_job_has_begun(more_rows: Path) -> None:
    (more_rows / "a-new-box.yaml").write_text(NEW_ROW.replace("toolchain: zig", "toolchain: zag"))
    error = call("matrix").exception
    assert isinstance(error, ConfigError)
    assert "no toolchain named 'zag'" in error.message


def test_a_project_lists_its_own_rows_with_its_formats(project: Path) -> None:
    (row,) = json.loads(printed("matrix", project=project))["rows"]
    assert (row["target"], row["formats"], row["artifact"]) == (
        "generic-arm64",
        ["image", "tarball"],
        "door-generic-arm64",
    )
    assert row["python"] == [], "bindings belong to the core"


def test_a_row_that_the_project_is_not_for_is_refused(project: Path) -> None:
    error = refused("matrix", "--target", "desk", project=project)
    assert error.message == "--target: 'door' is not for 'desk'"
    assert "generic-arm64" in error.hint


def test_a_rows_entry_says_what_a_job_needs() -> None:
    (row,) = json.loads(printed("matrix", "--target", "arm64"))["rows"]
    assert (row["arch"], row["artifact"]) == ("aarch64", "edgecore-generic-arm64")
    assert row["python"] == ["cp39", "cp311"]
    assert row["roots"] == ["debian-11-arm64", "debian-12-arm64"]


def test_the_cache_is_another_one_when_a_lock_changes_and_only_then(project: Path) -> None:
    def key() -> str:
        return str(json.loads(printed("matrix", project=project))["rows"][0]["cache_key"])

    before = key()
    (project / "main.cc").write_text("int main() {}\n")
    assert key() == before
    overlay = project / "toolchains"
    overlay.mkdir()
    for path in (REPOSITORY / "toolchains").glob("zig.*"):
        (overlay / path.name).write_bytes(path.read_bytes())
    assert key() == before
    lock = (overlay / "zig.lock").read_text()
    locked = re.findall(r"sha256: ([0-9a-f]{64})", lock)
    (overlay / "zig.lock").write_text(lock.replace(locked[0], "f" * 64))
    assert key() != before


def test_the_project_s_conanfile_and_lock_count_for_the_cache(project: Path) -> None:
    described = (project / "edgebuild.yaml").read_text() + "source: {conan: conanfile.txt}\n"
    (project / "edgebuild.yaml").write_text(described)
    keys = set()
    for requirement in ("rapidyaml/0.7.2", "rapidyaml/0.10.0"):
        (project / "conanfile.txt").write_text(f"[requires]\n{requirement}\n")
        keys.add(json.loads(printed("matrix", project=project))["rows"][0]["cache_key"])
    (project / "conan.lock").write_text("{}")
    keys.add(json.loads(printed("matrix", project=project))["rows"][0]["cache_key"])
    assert len(keys) == 3


def test_github_gets_one_line_for_fromjson() -> None:
    text = printed("matrix", "--format", "github")
    assert text.count("\n") == 1
    assert json.loads(text) == {"include": json.loads(printed("matrix"))["rows"]}


def test_gitlab_gets_one_job_per_row() -> None:
    """In `parallel: matrix:` a list would be one job per member."""
    build = yaml.safe_load(printed("matrix", "--format", "gitlab"))["build"]
    rows = build["parallel"]["matrix"]
    assert [row["TARGET"] for row in rows] == row_files()
    assert all(isinstance(value, str) for row in rows for value in row.values())
    assert build["script"][-1] == 'edgebuild build --target "$TARGET"'
    assert build["artifacts"]["paths"] == ["out/$TARGET/"]
    assert build["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "parent_pipeline"'}]


def test_this_repository_s_workflow_is_what_the_command_prints() -> None:
    assert printed("workflow", "--format", "github") == WORKFLOW.read_text(), (
        "edgebuild ci workflow --format github > .github/workflows/build.yml"
    )


def test_a_workflow_names_no_row() -> None:
    for kind in ("github", "gitlab"):
        text = printed("workflow", "--format", kind)
        assert not [name for name in row_files() if name in text]


def github(setup: ci.Setup = SETUP) -> Any:
    return yaml.safe_load(ci.render_github_workflow(setup))


def test_github_jobs_are_bounded_and_may_read_only() -> None:
    workflow = github(ci.Setup(install="x", gate="make test"))
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    assert set(workflow["jobs"]) == {"matrix", "build", "gate"}
    for job in workflow["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 120
        assert "permissions" not in job
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", f"a/b@{'0' * 40}"))
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False


def test_github_s_build_job_goes_on_with_the_other_rows_and_hands_over_one_artifact() -> None:
    build = github()["jobs"]["build"]
    assert build["strategy"]["fail-fast"] is False
    *_, cache, make, upload = build["steps"]
    assert cache["with"]["path"] == build["env"]["EDGEBUILD_CACHE"]
    assert cache["with"]["key"] == "edgebuild-${{ matrix.target }}-${{ matrix.cache_key }}"
    assert make["run"] == "edgebuild build --target ${{ matrix.target }}"
    assert (upload["with"]["name"], upload["with"]["path"]) == ("${{ matrix.artifact }}", "out/${{ matrix.target }}/")
    used = set(re.findall(r"matrix\.(\w+) *}}", json.dumps(build)))
    assert used <= set(ci.MatrixRow.__struct_fields__), "every value that a job uses is in an entry"


def test_gitlab_s_second_job_runs_what_the_first_has_written() -> None:
    pipeline = yaml.safe_load(ci.render_gitlab_workflow(SETUP))
    matrix, rows = pipeline["matrix"], pipeline["rows"]
    assert matrix["script"][-1] == "edgebuild ci matrix --format gitlab --install edgebuild==1.2.3 > rows.yml"
    assert matrix["artifacts"]["paths"] == ["rows.yml"]
    assert rows["trigger"] == {"include": [{"artifact": "rows.yml", "job": "matrix"}], "strategy": "depend"}
    assert pipeline["stages"] == [matrix["stage"], rows["stage"]]
    assert "gate" not in pipeline


def test_text_that_yaml_would_misread_stays_what_it_is() -> None:
    setup = ci.Setup(install='"edgebuild @ git+https://example.org/e@v1"', gate='echo "a: b" # c')
    assert github(setup)["jobs"]["gate"]["steps"][-1]["run"] == setup.gate
    assert github(setup)["jobs"]["gate"]["name"] == setup.gate
    pipeline = yaml.safe_load(ci.render_gitlab_workflow(setup))
    assert pipeline["gate"]["script"][-1] == setup.gate
    assert f"/opt/edgebuild/bin/pip install -q {setup.install}" in pipeline["matrix"]["script"]


def test_a_job_s_packages_are_those_of_the_set_up() -> None:
    """`.ci/setup demo` is what this repository installs for a build; git is there for the checkout."""
    listing = re.search(r'^packages="([^$"]+)"', (REPOSITORY / ".ci" / "setup").read_text(), re.MULTILINE)
    assert listing
    assert set(ci.PACKAGES) == {*listing[1].split(), "git"}


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (None, f"edgebuild=={__version__}"),
        (
            {"url": "https://example.org/e.git", "vcs_info": {"vcs": "git", "commit_id": "0" * 40}},
            f"git+https://example.org/e.git@{'0' * 40}",
        ),
        (
            {"url": "https://example.org/e.whl", "archive_info": {"hashes": {"sha256": "ab"}}},
            "https://example.org/e.whl#sha256=ab",
        ),
        ({"url": "https://example.org/e?a=1&b=2", "archive_info": {}}, "https://example.org/e?a=1&b=2"),
    ],
)
def test_a_job_gets_edgebuild_from_where_it_was_installed_here(origin: dict[str, Any] | None, words: str) -> None:
    assert shlex.split(installed_from(origin)) == [words]


def test_a_place_that_only_this_machine_has_is_no_source_for_a_job() -> None:
    with pytest.raises(ConfigError) as caught:
        installed_from({"url": "file:///srv/edgebuild", "dir_info": {"editable": True}})
    assert "--install" in caught.value.hint


@pytest.mark.parametrize("words", ["", "  ", "a\nb"])
def test_a_script_line_is_one_line(project: Path, words: str) -> None:
    assert refused("workflow", "--format", "github", "--install", words, project=project).message.startswith(
        "--install"
    )
    asked = ("workflow", "--format", "github", "--install", "x", "--gate", words)
    assert refused(*asked, project=project).message.startswith("--gate")


def test_a_project_s_workflow_installs_what_was_asked_for_and_has_no_gate(project: Path) -> None:
    text = printed("workflow", "--format", "github", "--install", "git+https://example.org/e@v1", project=project)
    assert "/opt/edgebuild/bin/pip install -q git+https://example.org/e@v1\n" in text
    assert set(yaml.safe_load(text)["jobs"]) == {"matrix", "build"}
