"""The core, compiled once: what is kept was made from the sources it is called after."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build.core import provide_core
from edgebuild.errors import BuildError
from edgebuild.run import Command, Completed
from edgebuild.workspace import Workspace
from tests.toolchains import TOOLCHAIN


def test_a_core_that_was_edited_while_it_was_compiled_is_not_kept(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "cpp_core" / "src" / "main.cc"
    source.parent.mkdir(parents=True)
    source.write_text("before")
    monkeypatch.setattr(Workspace, "core_source", property(lambda _: tmp_path / "cpp_core"))
    edits = ["after"]

    def tools(command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
        if command.argv[1] == "--build" and edits:
            source.write_text(edits.pop())
        return Completed(0)

    with pytest.raises(BuildError, match="sources changed while they were compiled"):
        provide_core(TOOLCHAIN, tmp_path / "libraries-1", ws=ws, run=tools)
    source.write_text("before")
    assert not list((ws.cache / "core").glob("*"))
    assert provide_core(TOOLCHAIN, tmp_path / "libraries-1", ws=ws, run=tools).runtime.parent.is_dir()
