"""Rows as a CI matrix, and the workflows that build one job and one artifact per row. Text only: nothing runs here."""

from __future__ import annotations

import json
import math
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import yaml

# A service's action is code that runs with our checkout: named by commit, because a tag can be moved.
# Each is the commit of the tag beside it in the action's own repository; all three run on Node 24.
CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2"
CACHE = "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5"
UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0"

RUNNER = "ubuntu-24.04"
# Jobs run in Debian, because its apt is what edgebuild takes the distributions' packages through.
IMAGE = "debian:12"
PACKAGES = ("ca-certificates", "debian-archive-keyring", "git", "libatomic1", "python3-venv", "qemu-user-static")
GATE_PACKAGES = ("ca-certificates", "git", "make", "python3")
MATRIX_TIMEOUT_MIN, BUILD_TIMEOUT_MIN, GATE_TIMEOUT_MIN = 15, 60, 120


class MatrixRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a job of one target row needs to know.

    python: tags of its wheels ("cp39"); roots: sysroots it is run in under emulation, the first is the default.
    artifact: name of what the job hands over; cache_key: changes with the row's locks, conanfile and conan.lock only.
    """

    target: str
    arch: str
    formats: tuple[str, ...]
    python: tuple[str, ...]
    roots: tuple[str, ...]
    artifact: str
    cache_key: str


@dataclass(frozen=True)
class Setup:
    """install: arguments of `pip install` that give a job edgebuild, run in the checkout.

    gate: command of a job of its own that tests the whole, "" for none.
    """

    install: str
    gate: str = ""


def matrix_document(rows: Sequence[MatrixRow]) -> dict[str, Any]:
    return {"schema": "edgebuild.ci-matrix/1", "rows": msgspec.to_builtins(rows)}


def render_github_matrix(rows: Sequence[MatrixRow]) -> str:
    """One line for `matrix: ${{ fromJSON(...) }}`."""
    return json.dumps({"include": msgspec.to_builtins(rows)}, separators=(",", ":"))


def render_gitlab_matrix(rows: Sequence[MatrixRow], setup: Setup) -> str:
    """A child pipeline: the job `build`, once per row.

    A list in GitLab's `parallel: matrix:` means one job per member, so ours become words with spaces. Without the
    rule, a job of a child pipeline is left out when the parent runs for a merge request (GitLab's documentation,
    "Downstream pipelines").
    """
    pipeline = {
        "build": {
            "image": IMAGE,
            "rules": [{"if": '$CI_PIPELINE_SOURCE == "parent_pipeline"'}],
            "timeout": f"{BUILD_TIMEOUT_MIN} minutes",
            "interruptible": True,
            "parallel": {"matrix": [_gitlab_variables(row) for row in rows]},
            "variables": {"EDGEBUILD_CACHE": "$CI_PROJECT_DIR/.cache/edgebuild", "GIT_DEPTH": "0"},
            "cache": {"key": "edgebuild-$TARGET-$CACHE_KEY", "paths": [".cache/edgebuild/"]},
            "script": [*_gitlab_setup(setup), 'edgebuild build --target "$TARGET"'],
            "artifacts": {"name": "$ARTIFACT", "paths": ["out/$TARGET/"], "expire_in": "4 weeks"},
        }
    }
    return yaml.safe_dump(pipeline, sort_keys=False, width=math.inf).rstrip()


def _gitlab_variables(row: MatrixRow) -> dict[str, str]:
    fields: dict[str, Any] = msgspec.to_builtins(row)
    return {name.upper(): " ".join(v) if isinstance(v, (list, tuple)) else v for name, v in fields.items()}


def render_github_workflow(setup: Setup) -> str:
    jobs = [_GITHUB_HEAD, _GITHUB_MATRIX, _GITHUB_BUILD, *([_GITHUB_GATE] if setup.gate else [])]
    return _filled("\n".join(jobs), setup, indent=10)


def render_gitlab_workflow(setup: Setup) -> str:
    jobs = [_GITLAB, *([_GITLAB_GATE] if setup.gate else [])]
    return _filled("\n".join(jobs), setup, indent=4)


def _filled(template: str, setup: Setup, *, indent: int) -> str:
    """The template with its <WORDS>; indent: how deep a line of its scripts stands."""
    ask = f"edgebuild ci matrix --format gitlab --install {shlex.quote(setup.install)} > rows.yml"
    values = {
        "SETUP": _GITHUB_SETUP,  # has words of its own, so it comes first
        "CHECKOUT": CHECKOUT,
        "CACHE": CACHE,
        "UPLOAD": UPLOAD,
        "RUNNER": RUNNER,
        "IMAGE": IMAGE,
        "MATRIX_TIMEOUT_MIN": str(MATRIX_TIMEOUT_MIN),
        "BUILD_TIMEOUT_MIN": str(BUILD_TIMEOUT_MIN),
        "GATE_TIMEOUT_MIN": str(GATE_TIMEOUT_MIN),
        "PACKAGES": _script(_apt(PACKAGES), indent),
        "GATE_PACKAGES": _script(_apt(GATE_PACKAGES), indent),
        "INSTALL": _script(_install(setup), indent),
        "GITLAB_MATRIX": _items([*_gitlab_setup(setup), ask], indent),
        "GITLAB_GATE": _items([*_apt(GATE_PACKAGES), setup.gate], indent),
        "GATE": _scalar(setup.gate),
    }
    for word, value in values.items():
        template = template.replace(f"<{word}>", value)
    return template.rstrip()


def _apt(packages: Sequence[str]) -> list[str]:
    install = f"DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends {' '.join(packages)}"
    return ["apt-get -qq update", install]


def _install(setup: Setup) -> list[str]:
    """git refuses a checkout that another user of the runner made, and the version may be git's to say."""
    return [
        'git config --global --add safe.directory "$PWD"',
        "python3 -m venv /opt/edgebuild",
        f"/opt/edgebuild/bin/pip install -q {setup.install}",
    ]


def _gitlab_setup(setup: Setup) -> list[str]:
    """GitLab caches only what is in the checkout; git must not take it for a change of the project."""
    exclude = "echo /.cache/ >> .git/info/exclude"
    return [*_apt(PACKAGES), *_install(setup), exclude, 'export PATH="/opt/edgebuild/bin:$PATH"']


def _script(lines: Sequence[str], indent: int) -> str:
    """Lines of a block scalar, without the first one's indentation."""
    return textwrap.indent("\n".join(lines), " " * indent).lstrip()


def _scalar(text: str) -> str:
    """One line of text, quoted where YAML wants it."""
    return yaml.safe_dump([text], width=math.inf).removeprefix("- ").rstrip()


def _items(lines: Sequence[str], indent: int) -> str:
    """Items of a YAML list of strings, quoted where YAML wants it."""
    return textwrap.indent(yaml.safe_dump(list(lines), width=math.inf).rstrip(), " " * indent).lstrip()


_GITHUB_HEAD = """\
# Made by `edgebuild ci workflow --format github`; make it anew rather than edit it. The rows are nowhere in here:
# the first job asks `edgebuild ci matrix`, so a new target is built without a change to this file.
name: build
on:
  push: {branches: [main], tags: ["v*"]}
  pull_request:
  workflow_dispatch:

permissions:
  contents: read

concurrency:
  group: ${{ github.workflow }}-${{ github.ref }}
  cancel-in-progress: ${{ github.event_name == 'pull_request' }}

defaults:
  run: {shell: bash}

jobs:"""

# git comes before the checkout, which otherwise downloads an archive without history and tags.
_GITHUB_SETUP = """\
      - name: Packages
        run: |
          <PACKAGES>
      - uses: <CHECKOUT>
        with: {persist-credentials: false, fetch-depth: 0}
      - name: edgebuild
        run: |
          <INSTALL>
          echo /opt/edgebuild/bin >> "$GITHUB_PATH"\
"""

_GITHUB_MATRIX = """\
  matrix:
    name: rows
    runs-on: <RUNNER>
    container: <IMAGE>
    timeout-minutes: <MATRIX_TIMEOUT_MIN>
    outputs:
      matrix: ${{ steps.rows.outputs.matrix }}
    steps:
<SETUP>
      - name: One entry per row
        id: rows
        run: |
          matrix=$(edgebuild ci matrix --format github)
          echo "matrix=$matrix" >> "$GITHUB_OUTPUT"
"""

# Archives are compressed already; the cache stands outside the checkout, which has to stay as its commit says.
_GITHUB_BUILD = """\
  build:
    name: ${{ matrix.target }}
    needs: matrix
    runs-on: <RUNNER>
    container: <IMAGE>
    timeout-minutes: <BUILD_TIMEOUT_MIN>
    strategy:
      fail-fast: false
      matrix: ${{ fromJSON(needs.matrix.outputs.matrix) }}
    env:
      EDGEBUILD_CACHE: /var/cache/edgebuild
    steps:
<SETUP>
      - uses: <CACHE>
        with:
          path: /var/cache/edgebuild
          key: edgebuild-${{ matrix.target }}-${{ matrix.cache_key }}
      - name: Build
        run: edgebuild build --target ${{ matrix.target }}
      - uses: <UPLOAD>
        with:
          name: ${{ matrix.artifact }}
          path: out/${{ matrix.target }}/
          if-no-files-found: error
          compression-level: 0
"""

_GITHUB_GATE = """\
  gate:
    name: <GATE>
    runs-on: <RUNNER>
    container: {image: "<IMAGE>", options: --privileged} # its tests start a container engine and emulated boxes
    timeout-minutes: <GATE_TIMEOUT_MIN>
    steps:
      - name: Packages
        run: |
          <GATE_PACKAGES>
      - uses: <CHECKOUT>
        with: {persist-credentials: false, fetch-depth: 0}
      - run: git config --global --add safe.directory "$PWD"
      - run: <GATE>
"""

_GITLAB = """\
# Made by `edgebuild ci workflow --format gitlab`; make it anew rather than edit it. The rows are nowhere in here:
# the first job writes the child pipeline that builds them, so a new target needs no change to this file.
workflow:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_TAG
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH

stages: [matrix, rows]

matrix:
  stage: matrix
  image: <IMAGE>
  timeout: <MATRIX_TIMEOUT_MIN> minutes
  interruptible: true
  variables: {GIT_DEPTH: "0"}
  script:
    <GITLAB_MATRIX>
  artifacts:
    paths: [rows.yml]
    expire_in: 1 day

rows:
  stage: rows
  trigger:
    include:
      - {artifact: rows.yml, job: matrix}
    strategy: depend
"""

# The runner has to be a privileged one.
_GITLAB_GATE = """\
gate:
  stage: rows
  needs: []
  image: <IMAGE>
  timeout: <GATE_TIMEOUT_MIN> minutes
  interruptible: true
  script:
    <GITLAB_GATE>
"""
