"""What probes make of boxes whose files and commands are known from samples: versions, and the row they look like.

The cases are data, because they speak in words of vendors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from edgebuild.config.contracts import load_contract
from edgebuild.config.probe_rules import load_probe_rules
from edgebuild.config.targets import load_row, row_names, rows_like
from edgebuild.model.contract import Contract, CpuSpec
from edgebuild.probe.software import find_version
from edgebuild.probe.view import View
from edgebuild.workspace import Workspace

CASES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((Path(__file__).resolve().parents[1] / "cases/probe").glob("*.yaml"))
}


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
def test_a_sample_box_is_read_and_recognised(name: str, ws: Workspace) -> None:
    case = CASES[name]
    versions = versions_of(case, ws)
    assert versions == case["versions"]
    assert list(rows_like(box(case, versions), ws)) == case["rows"]


def test_every_row_with_signs_is_recognised_in_some_sample(ws: Workspace) -> None:
    signed = {name for name in row_names() if load_contract(load_row(name).contract, ws).contract.signs}
    assert signed
    assert signed <= {row for case in CASES.values() for row in case["rows"]}


def test_a_rows_own_contract_bears_its_signs_as_far_as_it_states_them(ws: Workspace) -> None:
    """A sign that the contract's own versions contradict would never be found on its box."""
    for name in row_names():
        contract = load_contract(load_row(name).contract, ws).contract
        stated = {sign: pattern for sign, pattern in contract.signs.items() if sign in contract.versions}
        assert not stated or contract.bears_signs_of(msgspec.structs.replace(contract, signs=stated)), name


def test_a_plain_box_looks_like_the_generic_row_that_its_c_library_allows(ws: Workspace) -> None:
    plain: dict[str, Any] = {"arch": "aarch64", "glibc": "2.36"}
    generic = rows_like(box(plain, {}), ws)
    assert generic
    assert not any(load_contract(load_row(name).contract, ws).contract.signs for name in generic)
    assert rows_like(box({**plain, "glibc": "2.20"}, {}), ws) == ()
