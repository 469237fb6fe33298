"""Whatever happens before the command line is read."""

from __future__ import annotations

import importlib.abc
import sys

import pytest

import edgebuild
from edgebuild.__main__ import main
from edgebuild.errors import INTERRUPTED


class InterruptedImport(importlib.abc.MetaPathFinder):
    """Ctrl-C while the command line is imported."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "edgebuild.cli":
            raise KeyboardInterrupt


def test_ctrl_c_while_modules_are_imported_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "edgebuild.cli", raising=False)
    monkeypatch.delattr(edgebuild, "cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [InterruptedImport(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == INTERRUPTED
