"""docs/audit.md tells the truth: its table is the list of codes, its example runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from edgebuild.config.contracts import find_contract
from edgebuild.workspace import Workspace
from tests.audit_index import DOCUMENT, with_table
from tests.elf_writer import Elf, write_elf


def test_the_table_of_codes_is_as_generated() -> None:
    text = DOCUMENT.read_text()
    assert "| [A137](../edgebuild/audit/pages/A137.md) | load |" in text
    assert with_table(text) == text, "python -m tests.audit_index"


def test_the_example_in_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.+?)```", DOCUMENT.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEBUILD_CACHE", str(ws.cache))
    (tmp_path / "app").mkdir()
    (tmp_path / "app/libx.so").write_bytes(write_elf(Elf(needed=("libnowhere.so.1",))))
    contract = find_contract("generic-arm64", ws)
    shutil.copy2(contract, tmp_path / "box.yaml")
    shutil.copy2(contract.with_suffix(".symbols"), tmp_path)
    with pytest.raises(SystemExit, match="5"):
        exec(compile(example, str(DOCUMENT), "exec"), {})
    assert "error A103 libx.so needs libnowhere.so.1" in capsys.readouterr().out
