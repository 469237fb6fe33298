"""What probes make of boxes whose files and commands are known from samples: versions, and the row they look like.

The cases are data, because they speak in words of vendors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from edgebuild.commands.context import Context
from edgebuild.commands.probe import command as probe_command
from edgebuild.config.probe_rules import load_probe_rules
from edgebuild.config.targets import row_kinds, rows_like
from edgebuild.log import Log
from edgebuild.model.contract import Contract, CpuSpec
from edgebuild.probe.software import find_version
from edgebuild.probe.view import View
from edgebuild.run import run
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf

Kinds = dict[str, Contract]
CASES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((Path(__file__).resolve().parents[1] / "cases/probe").glob("*.yaml"))
}


# Places of the loader, and glibc's own words, as its files have them.
LOADER = b"\0/lib/aarch64-linux-gnu/\0/usr/lib/aarch64-linux-gnu/\0/lib/\0/usr/lib/\0"
GLIBC = b"\0GNU C Library (Acme) stable release version %s, by Roland McGrath et al.\n\0"


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Kinds:
    folder = tmp_path_factory.mktemp("kinds")
    return row_kinds(Workspace(cache=folder, out=folder, project=folder, log=Log(quiet=True)))


def versions_of(case: dict[str, Any], ws: Workspace) -> dict[str, str]:
    view = View(texts=case.get("texts", {}), packages=case.get("packages", {}), outputs=case.get("outputs", {}))
    found: dict[str, str] = {}
    for rule in load_probe_rules(ws).versions:
        if rule.name not in found and (hit := find_version(rule, view)):
            found[rule.name] = hit[0]
    return found


def box(case: dict[str, Any], versions: dict[str, str]) -> Contract:
    return Contract(
        title="a box",
        arch=case.get("arch", "aarch64"),
        cpu=CpuSpec(model="", emulated_as=""),
        libraries={},
        glibc=case.get("glibc", "2.31"),
        versions=versions,
    )


@pytest.mark.parametrize("name", CASES)
def test_a_sample_box_is_read_and_recognised(name: str, kinds: Kinds, ws: Workspace) -> None:
    case = CASES[name]
    versions = versions_of(case, ws)
    assert versions == case["versions"]
    assert list(rows_like(box(case, versions), kinds)) == case["rows"]


def test_every_row_with_signs_is_recognised_in_some_sample(kinds: Kinds) -> None:
    signed = {name for name, kind in kinds.items() if kind.signs}
    assert signed
    assert signed <= {row for case in CASES.values() for row in case["rows"]}


def test_a_rows_own_contract_bears_its_signs_as_far_as_it_states_them(kinds: Kinds) -> None:
    """A sign that the contract's own versions contradict would never be found on its box."""
    for name, kind in kinds.items():
        stated = {sign: pattern for sign, pattern in kind.signs.items() if sign in kind.versions}
        assert not stated or kind.bears_signs_of(msgspec.structs.replace(kind, signs=stated)), name


def test_a_plain_box_looks_like_the_generic_row_that_its_c_library_allows(kinds: Kinds) -> None:
    plain: dict[str, Any] = {"arch": "aarch64", "glibc": "2.36"}
    generic = rows_like(box(plain, {}), kinds)
    assert generic
    assert not any(kinds[name].signs for name in generic)
    assert rows_like(box({**plain, "glibc": "2.20"}, {}), kinds) == ()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.get("root")])
def test_the_command_says_which_row_a_box_looks_like(name: str, ws: Workspace, tmp_path: Path) -> None:
    """Asked of a root folder with the sample's files and packages."""
    case, root = CASES[name], tmp_path / "root"
    write_root(root, case)
    argv = ["--root", str(root), "-o", str(tmp_path / "box.yaml")]
    shown = CliRunner().invoke(probe_command, argv, obj=Context(ws, run))
    assert shown.exit_code == 0, shown.output
    assert f"looks like row: {', '.join(case['rows'])}\n" in shown.output
    document = json.loads(CliRunner().invoke(probe_command, [*argv, "--json"], obj=Context(ws, run)).stdout)
    assert document["rows"] == case["rows"]


def write_root(root: Path, case: dict[str, Any]) -> None:
    status = "".join(f"Package: {name}\nVersion: {version}\n\n" for name, version in case.get("packages", {}).items())
    files = {**case["texts"], "/var/lib/dpkg/status": status}
    for path, text in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    libraries = root / "lib"
    libraries.mkdir()
    loader = Elf(soname="ld-linux-aarch64.so.1", defines=["GLIBC_2.17"])
    (libraries / "ld-linux-aarch64.so.1").write_bytes(write_elf(loader) + LOADER)
    libc = write_elf(Elf(soname="libc.so.6", defines=["GLIBC_2.17"])) + GLIBC % case.get("glibc", "2.31").encode()
    (libraries / "libc.so.6").write_bytes(libc)
