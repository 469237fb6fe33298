"""Files of a box, fetched to be audited: one call, nothing changed there, and no trust in what comes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from edgebuild.commands import audit_box
from edgebuild.commands.audit_box import fetch_path, is_on_box
from edgebuild.deploy.transport import CALL_TIMEOUT_S, Reply
from edgebuild.errors import BoxError
from edgebuild.inputs import read_artifact
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf


class LocalShell:
    """This machine as a box; what it sends comes in pieces of one byte first."""

    address = "root@box:22"

    def call(
        self,
        command: str,
        *,
        stdin: bytes | Iterable[bytes] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
        sink: Callable[[bytes], object] | None = None,
    ) -> Reply:
        done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
        assert sink
        for place in range(min(10, len(done.stdout))):
            sink(done.stdout[place : place + 1])
        sink(done.stdout[10:])
        return Reply(done.returncode, "", done.stderr.decode())

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("what", "is_box"),
    [
        ("root@10.0.0.7:/opt/app", True),
        ("root@10.0.0.7:2222:/opt/my app", True),
        ("docker:app:1.2", False),
        ("docker:registry/app@sha256:/x", False),
        ("dist/my.whl", False),
        ("10.0.0.7:/opt/app", False),
        ("user@host", False),
    ],
)
def test_a_box_is_meant_by_user_host_and_an_absolute_path(what: str, is_box: bool) -> None:
    assert is_on_box(what) is is_box


def test_a_file_here_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a@b:").mkdir()
    (tmp_path / "a@b:/x").touch()
    assert not is_on_box("a@b:/x")


def test_a_file_keeps_its_name_and_bytes(tmp_path: Path) -> None:
    source = tmp_path / "it's my.whl"
    source.write_bytes(bytes(range(256)) * 100)
    fetched = fetch_path(LocalShell(), str(source), tmp_path / "here")
    assert fetched.read_bytes() == source.read_bytes()


def test_a_folder_comes_whole_and_can_be_audited(tmp_path: Path, ws: Workspace) -> None:
    (tmp_path / "app/lib").mkdir(parents=True)
    (tmp_path / "app/lib/libx.so").write_bytes(write_elf(Elf(soname="libx.so")))
    fetched = fetch_path(LocalShell(), str(tmp_path / "app"), tmp_path / "app-here")
    assert [elf.name for elf in read_artifact(fetched, ws=ws, isa=False).elves] == ["lib/libx.so"]


@pytest.mark.parametrize("kind", ["nothing", "pipe"])
def test_what_is_neither_file_nor_folder_is_told(kind: str, tmp_path: Path) -> None:
    if kind == "pipe":  # reading it would wait for ever
        os.mkfifo(tmp_path / "gone")
    with pytest.raises(BoxError, match=r"root@box:22: .*gone: no such file or folder"):
        fetch_path(LocalShell(), str(tmp_path / "gone"), tmp_path / "here")


def test_a_box_that_sends_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "big").write_bytes(bytes(1000))
    monkeypatch.setattr(audit_box, "_MAX_BYTES", 100)
    with pytest.raises(BoxError, match="the box sent more than"):
        fetch_path(LocalShell(), str(tmp_path / "big"), tmp_path / "here")
