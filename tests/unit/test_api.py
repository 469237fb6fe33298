"""The API that programs of others use: one call, the command's verdict, errors as exceptions."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from edgebuild.api import Waiver, audit_path
from edgebuild.config.contracts import load_contract
from edgebuild.errors import ConfigError
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEBUILD_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "libx.so"
    path.write_bytes(write_elf(Elf(needed=("libc.so.6",), needs={"libc.so.6": {"GLIBC_2.99": ("novel",)}})))
    return path


def test_a_verdict_carries_findings_and_what_was_read(library: Path) -> None:
    verdict = audit_path(library, "generic-arm64")
    assert [(each.code, each.symbol) for each in verdict.refusals] == [("A102", "novel@GLIBC_2.99")]
    assert not verdict.passes
    assert [elf.name for elf in verdict.tree.elves] == ["libx.so"]


def test_a_waiver_lets_it_pass_and_a_contract_may_be_ones_own(library: Path, ws: Workspace) -> None:
    provided = load_contract("generic-arm64", ws)
    waiver = Waiver(code="A102", reason="the box is updated next week", until=date.max)
    verdict = audit_path(library, provided, waivers=[waiver])
    assert verdict.passes
    assert [each.waived for each in verdict.findings] == ["the box is updated next week"]


def test_what_cannot_be_judged_raises(library: Path) -> None:
    with pytest.raises(ConfigError, match="no contract named 'nobody'"):
        audit_path(library, "nobody")
    with pytest.raises(ConfigError, match="no such file"):
        audit_path(library.with_name("gone"), "generic-arm64")
