"""Wheels, extension modules and compiled Python, case by case (tests/cases/audit_python.yaml)."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec
import pytest
from packaging.tags import parse_tag

from edgebuild.audit.engine import audit, refusals
from edgebuild.audit.python import check_python
from edgebuild.audit.python_abi import stable_abi
from edgebuild.model.contract import Contract, Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.manylinux import Platform, platforms_of
from edgebuild.model.tree import OtherFile, TreeFacts, WheelFacts
from tests.audit_cases import Expected, assert_found, read_cases

CASES = read_cases("audit_python")


class PythonCase(msgspec.Struct, forbid_unknown_fields=True):
    """tags: of a wheel's name; without any it is no wheel. The others are as in audit.yaml."""

    name: str
    findings: list[Expected]
    tags: list[str] = []
    wheel_tags: list[str] = []
    pure: bool = False
    elves: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    contract: dict[str, Any] = {}
    symbols: dict[str, frozenset[str]] = {}
    tree: dict[str, Any] = {}


@pytest.mark.parametrize("case", msgspec.convert(CASES["cases"], list[PythonCase]), ids=attrgetter("name"))
def test_python(case: PythonCase) -> None:
    contract = msgspec.convert({**CASES["contract"], **case.contract}, Contract)
    findings = list(check_python(tree_of(case), Provided(contract, case.symbols)))
    assert_found(findings, case.findings)


def tree_of(case: PythonCase) -> TreeFacts:
    tags = tuple(sorted(str(tag) for text in case.tags for tag in parse_tag(text)))
    wheel = WheelFacts(file="x.whl", tags=tags, wheel_tags=tuple(case.wheel_tags), pure=case.pure) if tags else None
    facts = {"path": "x", "kind": "wheel" if wheel else "folder", **case.tree}
    return msgspec.structs.replace(
        msgspec.convert(facts, TreeFacts),
        elves=tuple(msgspec.convert({**CASES["elf"], **each}, ElfFacts) for each in case.elves),
        others=tuple(msgspec.convert(each, OtherFile) for each in case.others),
        wheel=wheel,
    )


def test_every_code_of_python_has_a_refusal_and_an_all_clear() -> None:
    cases = msgspec.convert(CASES["cases"], list[PythonCase])
    refused = {each.code for case in cases for each in case.findings if each.severity != "advice"}
    assert refused == {"A121", "A122", "A123", "A124", "A126"}
    assert sum(not case.findings for case in cases) > 10


def test_the_stable_abi_is_known_with_the_python_that_brought_each_symbol() -> None:
    """Three that CPython's documentation dates: "Part of the Stable ABI since version 3.10", and 3.2's own."""
    known = stable_abi()
    assert known["PyUnicode_AsUTF8AndSize"] == (3, 10)
    assert known["PyLong_FromLong"] == (3, 2)
    assert known["PyExc_ValueError"] == (3, 2)
    assert "PyUnicode_AsUTF8" not in known or known["PyUnicode_AsUTF8"] >= (3, 13)


@pytest.mark.parametrize(
    ("tag", "promise"),
    [
        ("manylinux1_x86_64", {"GLIBC": "2.5", "GLIBCXX": "3.4.8"}),
        ("manylinux2014_aarch64", {"GLIBC": "2.18", "GLIBCXX": "3.4.19"}),
        ("manylinux_2_28_aarch64", {"GLIBC": "2.28", "GLIBCXX": "3.4.25"}),
        ("manylinux_2_32_aarch64", {"GLIBC": "2.32", "GLIBCXX": "3.4.29"}),
        ("manylinux_2_50_aarch64", {"GLIBC": "2.50", "GLIBCXX": "3.4.33"}),
        ("linux_aarch64", {}),
        ("musllinux_1_1_aarch64", {}),
    ],
)
def test_what_a_platform_promises(tag: str, promise: dict[str, str]) -> None:
    platform = Platform.parse(tag)
    assert platform
    assert {
        family: version for family, version in platform.promise.items() if family in ("GLIBC", "GLIBCXX")
    } == promise


@pytest.mark.parametrize("tag", ["any", "win_amd64", "macosx_11_0_arm64", "manylinux_aarch64", "manylinux3_aarch64"])
def test_other_platforms_are_none_of_linux(tag: str) -> None:
    assert Platform.parse(tag) is None


def test_a_system_takes_what_pip_would_take_there() -> None:
    taken = platforms_of("aarch64", (2, 28))
    assert {"manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"} <= set(taken)
    assert "manylinux_2_29_aarch64" not in taken
    assert "manylinux2014_aarch64" not in platforms_of("aarch64", (2, 16))


@pytest.mark.parametrize(
    ("tag", "codes"),
    [("py3-none-any", []), ("cp312-none-any", ["A124"]), ("cp39-cp39-manylinux2014_aarch64", ["A100"])],
)
def test_a_wheel_without_machine_code_passes_if_its_name_promises_none(tag: str, codes: list[str]) -> None:
    contract = msgspec.convert(CASES["contract"], Contract)
    tree = tree_of(PythonCase(name=tag, findings=[], tags=[tag]))
    assert [finding.code for finding in refusals(audit(tree, Provided(contract)))] == codes
