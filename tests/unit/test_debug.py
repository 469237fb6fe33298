"""Debug information is kept by build-id; what nobody could find again is refused before anything is stripped."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.errors import BuildError
from edgebuild.package.debug import drop_debug, split_debug
from edgebuild.run import Command, Completed
from tests.elf_writer import Elf, write_elf
from tests.toolchains import TOOLCHAIN

OBJCOPY = TOOLCHAIN.objcopy


class Recorder:
    """A Runner that runs nothing."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def __call__(self, command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
        self.commands.append(command)
        return Completed(0)


def make_stage(root: Path, **elves: Elf) -> Path:
    root.mkdir()
    for name, elf in elves.items():
        (root / name).write_bytes(write_elf(elf))
    return root


def test_debug_information_is_copied_out_by_build_id_then_stripped_and_linked(tmp_path: Path) -> None:
    stage = make_stage(tmp_path / "stage", ours=Elf(build_id=b"\xab\xcd\xef", debug=True), bare=Elf(build_id=b"\x01"))
    debug, run = tmp_path / "debug", Recorder()
    kept = debug / "usr/lib/debug/.build-id/ab/cdef.debug"
    assert split_debug(stage, debug, TOOLCHAIN, run=run) == (kept,)
    assert run.commands == [
        Command(OBJCOPY, "--only-keep-debug", stage / "ours", kept),
        Command(OBJCOPY, "--strip-unneeded", f"--add-gnu-debuglink={kept}", stage / "ours"),
    ]
    assert kept.parent.is_dir()


def test_a_file_without_build_id_is_refused_and_nothing_is_stripped(tmp_path: Path) -> None:
    stage = make_stage(tmp_path / "stage", good=Elf(build_id=b"\x01", debug=True), nameless=Elf(debug=True))
    run = Recorder()
    with pytest.raises(BuildError, match="no build-id in nameless") as caught:
        split_debug(stage, tmp_path / "debug", TOOLCHAIN, run=run)
    assert "--build-id" in caught.value.hint
    assert run.commands == []


def test_what_is_not_ours_stays_as_it_came(tmp_path: Path) -> None:
    run = Recorder()
    stage = make_stage(tmp_path / "stage", vendors=Elf(debug=True))
    assert split_debug(stage, tmp_path / "debug", TOOLCHAIN, keep=("vendors",), run=run) == ()
    assert run.commands == []


def test_tests_lose_their_debug_information_and_keep_their_symbols(tmp_path: Path) -> None:
    tree = make_stage(tmp_path / "tests", ours=Elf(build_id=b"\x01", debug=True), bare=Elf(build_id=b"\x02"))
    run = Recorder()
    drop_debug(tree, TOOLCHAIN, run=run)
    assert run.commands == [Command(OBJCOPY, "--strip-debug", tree / "ours")]
