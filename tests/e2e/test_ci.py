"""The generated workflows, judged by the services' own rules, and their scripts run as a job would."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgebuild.workspace import Workspace
from tests.e2e.conftest import Built
from tests.e2e.harness import ARM, NATIVE, REPOSITORY, Ended, call, edgebuild
from tests.e2e.linters import Linters

ROWS = sorted(path.stem for path in (REPOSITORY / "edgebuild" / "targets").glob("*.yaml"))


@pytest.fixture(scope="module")
def linters(cache: Workspace) -> Linters:
    return Linters.provide(cache)


@pytest.fixture(scope="module")
def github() -> str:
    return printed("ci", "workflow", "--format", "github")


@pytest.fixture(scope="module")
def gitlab() -> str:
    return printed("ci", "workflow", "--format", "gitlab")


@pytest.fixture(scope="module")
def child() -> str:
    return printed("ci", "matrix", "--format", "gitlab")


def printed(*argv: str) -> str:
    done = edgebuild(*argv)
    assert done.code == 0, done.stderr
    return done.stdout


def document(text: str) -> Any:
    """YAML 1.1 reads the key `on` as true."""
    return {"on" if key is True else key: value for key, value in yaml.safe_load(text).items()}


def by_tag(workflow: str) -> str:
    """Actions by their tag v4: actionlint knows their inputs, which a commit hides from it. They are the same since."""
    return re.sub(r"@[0-9a-f]{40} # v[\d.]+", "@v4", workflow)


def test_actionlint_has_nothing_to_say(linters: Linters, github: str, tmp_path: Path) -> None:
    committed = (REPOSITORY / ".github" / "workflows" / "build.yml").read_text()
    for workflow in (github, by_tag(github), committed):
        assert linters.findings(workflow, tmp_path) == []


def test_actionlint_has_nothing_to_say_about_a_strangers_workflow(linters: Linters, tmp_path: Path) -> None:
    install = ("--install", "git+https://example.org/edgebuild@v1", "--gate", "ctest --test-dir 'my tests' # all")
    assert linters.findings(by_tag(printed("ci", "workflow", "--format", "github", *install)), tmp_path) == []


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        ("needs: matrix", "needs: matrices", "job-needs"),
        ("needs.matrix.outputs.matrix", "needs.matrix.outputs.rows", "expression"),
        ("steps.rows.outputs", "steps.matrix.outputs", "expression"),
        ("fromJSON(", "fromYAML(", "expression"),
        ("runs-on: ubuntu-24.04", "runs-on: debian-12", "runner-label"),
        ("contents: read", "contents: look", "permissions"),
        ("timeout-minutes: 60", "timeout-minutes: soon", "syntax-check"),
        ("if-no-files-found: error", "if-nothing-found: error", "action"),
        ("pull_request:", "pull_requests:", "events"),
    ],
)
def test_actionlint_sees_what_is_broken(
    right: str, wrong: str, kind: str, linters: Linters, github: str, tmp_path: Path
) -> None:
    workflow = by_tag(github)
    assert right in workflow
    findings = linters.findings(workflow.replace(right, wrong), tmp_path)
    assert any(f"[{kind}]" in finding for finding in findings), findings


def test_github_s_schema_allows_the_workflow(linters: Linters, github: str) -> None:
    assert linters.breach("github-workflows", document(github)) == ""
    assert linters.breach("github-workflows", document(github.replace("runs-on:", "runs-in:"))) != ""


def test_gitlab_s_schema_allows_both_pipelines(linters: Linters, gitlab: str, child: str) -> None:
    for pipeline in (gitlab, child):
        assert linters.breach("gitlab-ci", document(pipeline)) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("strategy: depend", "strategy: wait"),
        ("{artifact: rows.yml, job: matrix}", "{artefact: rows.yml}"),
        ("    matrix:\n", "    rows:\n"),
        ("FORMATS: tarball image", "FORMATS: {tarball: image}"),
        ("expire_in:", "expires:"),
    ],
)
def test_gitlab_s_schema_sees_what_is_broken(right: str, wrong: str, linters: Linters, gitlab: str, child: str) -> None:
    broken = [pipeline.replace(right, wrong) for pipeline in (gitlab, child) if right in pipeline]
    assert broken
    assert all(linters.breach("gitlab-ci", document(pipeline)) for pipeline in broken)


def step(workflow: str, job: str, name: str) -> str:
    """The script of a GitHub job's step."""
    (script,) = [each["run"] for each in document(workflow)["jobs"][job]["steps"] if each.get("name") == name]
    return str(script)


def run_step(script: str, folder: Path, program: str) -> tuple[Ended, str]:
    """As the service runs it (`shell: bash`), with this `edgebuild`; what it left in $GITHUB_OUTPUT."""
    (folder / "bin").mkdir()
    (folder / "bin" / "edgebuild").write_text(f"#!/bin/sh\n{program}\n")
    (folder / "bin" / "edgebuild").chmod(0o755)
    output = folder / "output"
    output.touch()
    file = folder / "step.sh"
    file.write_text(script)
    env = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "GITHUB_OUTPUT": str(output)}
    return call("bash", "--noprofile", "--norc", "-eo", "pipefail", file, timeout_s=300, env=env), output.read_text()


OURS = f'exec {shlex.quote(sys.executable)} -m edgebuild "$@"'


def test_the_first_job_hands_every_row_to_the_second_once(github: str, tmp_path: Path) -> None:
    ended, output = run_step(step(github, "matrix", "One entry per row"), tmp_path, OURS)
    assert ended.code == 0, ended.stderr
    name, _, matrix = output.partition("=")
    assert (name, output.count("\n")) == ("matrix", 1)
    assert [entry["target"] for entry in json.loads(matrix)["include"]] == ROWS


def test_the_first_job_fails_when_edgebuild_does(github: str, tmp_path: Path) -> None:
    """An exit code inside `echo "$(...)"` would be lost, and the second job would start with nothing."""
    ended, output = run_step(step(github, "matrix", "One entry per row"), tmp_path, "exit 2")
    assert (ended.code, output) == (2, "")


def test_a_row_s_job_leaves_its_artifact_where_the_upload_looks(
    arm: Built, native: Built, github: str, tmp_path: Path
) -> None:
    """Both rows are built already, so this is a second call. arm, native: what the first one made."""
    upload = document(github)["jobs"]["build"]["steps"][-1]["with"]["path"]
    for row, built in ((ARM, arm), (NATIVE, native)):
        folder = tmp_path / row
        folder.mkdir()
        ended, _ = run_step(for_row(step(github, "build", "Build"), row), folder, OURS)
        assert ended.code == 0, ended.stderr
        handed_over = REPOSITORY / for_row(upload, row)
        assert handed_over == built.folder
        assert {path.name for path in handed_over.iterdir()} >= {
            "manifest.json",
            *map(name_of, built.products("tarball")),
        }


def for_row(text: str, row: str) -> str:
    return text.replace("${{ matrix.target }}", row)


def name_of(path: Path) -> str:
    return path.name
