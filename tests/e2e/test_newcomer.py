"""Somebody who has a wheel and a box, and nothing else of ours: two commands give a verdict."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebuild.config.yaml import load_yaml
from edgebuild.fetch import fetch
from edgebuild.model.recipe import Download
from edgebuild.workspace import Workspace
from tests.boxes import Box, Rack
from tests.e2e.harness import OLD_ROOT, REPOSITORY, Ended, edgebuild

REFUSED = 5
_EMULATED_S = 600


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, cache: Workspace) -> Iterator[Box]:
    """Debian 11 on an emulated Cortex-A53, with an SSH server."""
    with Rack.open(tmp_path_factory.mktemp("rack"), cache) as rack:
        yield rack.add("openssh", "debian")


@pytest.fixture(scope="module")
def folder(box: Box, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No project, no configuration; the box's contract in it."""
    folder = tmp_path_factory.mktemp("empty")
    said = edgebuild("probe", place(box), *login(box), "-o", "box.yaml", cwd=folder, timeout_s=_EMULATED_S).succeed()
    print(said.stderr, said.stdout)
    return folder


def place(box: Box) -> str:
    return f"root@{box.address}:{box.port}"


def login(box: Box) -> tuple[str, ...]:
    return ("--key", str(box.client_key), "--known-hosts", str(box.known_hosts))


def audit(folder: Path, *words: str | Path) -> Ended:
    ended = edgebuild("audit", *words, "--contract", "box.yaml", cwd=folder, timeout_s=_EMULATED_S)
    print(ended.stdout)
    return ended


def wheel(name: str, folder: Path, cache: Workspace) -> str:
    """Real ones of others, as `pip download` would leave them here."""
    download = load_yaml(REPOSITORY / "tests/corpus/wheels.lock", dict[str, Download])[name]
    shutil.copy2(fetch(download, ws=cache), folder / download.file)
    return download.file


def test_a_wheel_that_is_too_new_is_refused_with_cause_and_remedy(folder: Path, cache: Workspace) -> None:
    ended = audit(folder, wheel("bcrypt", folder, cache))
    assert ended.code == REFUSED
    assert "A102 needs newer symbols than the box has" in ended.stdout
    assert "version `GLIBC_" in edgebuild("audit", "--explain", "A102").succeed().stdout


def test_the_same_two_commands_let_pass_what_fits(folder: Path, cache: Workspace) -> None:
    """The box above has no Python; this root has. It is what a person would have mounted from an SD card."""
    root = edgebuild("sysroot", "provide", OLD_ROOT, timeout_s=_EMULATED_S).succeed().stdout.strip()
    edgebuild("probe", "--root", root, "-o", "root.yaml", cwd=folder, timeout_s=_EMULATED_S).succeed()
    # What a root folder cannot tell is unknown, and unknown does not pass; here a person looked it up.
    with (folder / "root.yaml").open("a") as contract:
        contract.write("page_size: 4096\nfree_bytes: 4294967296\n")
    name = wheel("psutil", folder, cache)
    ended = edgebuild("audit", name, "--contract", "root.yaml", cwd=folder).succeed()
    assert ended.stdout.splitlines()[-1].startswith(f"{name} on root.yaml: passes")


def test_a_file_of_the_box_passes_against_its_own_contract(folder: Path, box: Box) -> None:
    ended = audit(folder, f"{place(box)}:/bin/tar", *login(box)).succeed()
    assert ended.stdout.splitlines()[-1] == f"{place(box)}:/bin/tar on box.yaml: passes"


def test_a_folder_of_the_box_is_refused_only_for_what_really_is_not_there(folder: Path, box: Box) -> None:
    """Some of its scripts ask for a perl that was left out of this userland."""
    document = json.loads(audit(folder, f"{place(box)}:/usr/sbin", *login(box), "--json").stdout)
    assert len(document["files"]) >= 20
    (verdict,) = document["verdicts"]
    refused = [each for each in verdict["findings"] if each["severity"] != "advice"]
    assert {each["code"] for each in refused} <= {"A125"}
    asked = {match[1] for each in refused if (match := re.search(r"interpreter is (\S+),", each["message"]))}
    assert [path for path in sorted(asked) if box.run(f"test -e {path}").code == 0] == []


def test_what_is_not_on_the_box_is_told(folder: Path, box: Box) -> None:
    ended = audit(folder, f"{place(box)}:/opt/nowhere", *login(box))
    assert ended.code == 7
    assert "/opt/nowhere: no such file or folder" in ended.stderr
