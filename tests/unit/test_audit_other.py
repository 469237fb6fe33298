"""Scripts, archives, links, space and names given to dlopen, case by case (tests/cases/audit_other.yaml)."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec
import pytest

from edgebuild.audit.other import check_others, check_paths
from edgebuild.model.contract import Contract, Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.tree import OtherFile, TreeFacts
from tests.audit_cases import Expected, assert_found, read_cases

CASES = read_cases("audit_other")


class OtherCase(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    findings: list[Expected]
    elves: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    contract: dict[str, Any] = {}
    tree: dict[str, Any] = {}


@pytest.mark.parametrize("case", msgspec.convert(CASES["cases"], list[OtherCase]), ids=attrgetter("name"))
def test_others(case: OtherCase) -> None:
    contract = msgspec.convert({**CASES["contract"], **case.contract}, Contract)
    findings = list(check_others(tree_of(case), Provided(contract)))
    assert_found(findings, case.findings)


def tree_of(case: OtherCase) -> TreeFacts:
    return msgspec.structs.replace(
        msgspec.convert({"path": "tree", "kind": "folder", **case.tree}, TreeFacts),
        elves=tuple(msgspec.convert({**CASES["elf"], **each}, ElfFacts) for each in case.elves),
        others=tuple(msgspec.convert(each, OtherFile) for each in case.others),
    )


def test_every_code_of_other_files_has_a_case() -> None:
    cases = msgspec.convert(CASES["cases"], list[OtherCase])
    assert {each.code for case in cases for each in case.findings} == {"A109", "A119", "A125", "A127", "A135", "A136"}


@pytest.mark.parametrize(("own", "severity"), [(True, "error"), (False, "advice")])
def test_paths_of_the_build_machine_are_refused_in_our_own_builds_only(own: bool, severity: str) -> None:
    paths = tuple(f"/builds/ci/{each}" for each in "abcd")
    elf = msgspec.convert({**CASES["elf"], "paths": paths}, ElfFacts)
    (finding,) = check_paths(TreeFacts(path="x", kind="folder", elves=(elf,)), own=own)
    assert (finding.code, finding.file, finding.severity) == ("A115", "bin/tool", severity)
    assert "/builds/ci/a" in finding.message
    assert "1 more" in finding.message


def test_a_file_without_such_paths_is_no_finding() -> None:
    elf = msgspec.convert(CASES["elf"], ElfFacts)
    assert list(check_paths(TreeFacts(path="x", kind="folder", elves=(elf,)), own=True)) == []
