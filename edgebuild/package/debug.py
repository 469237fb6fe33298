"""Debug information leaves the tree that ships and waits, by build-id, for the day of a crash."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from edgebuild.elf import read_elves
from edgebuild.errors import BuildError
from edgebuild.model.elf import ElfFacts
from edgebuild.model.product import Toolchain
from edgebuild.run import Command, Runner

# Where gdb, lldb and eu-* look below a debug root. Source: GDB manual, "Debugging Information in Separate Files".
_DEBUG_ROOT = Path("usr/lib/debug/.build-id")


def split_debug(
    stage: Path, debug: Path, toolchain: Toolchain, *, keep: Collection[str] = (), run: Runner
) -> tuple[Path, ...]:
    """Strips every ELF file below `stage`; its debug information goes to `debug`. Returns the debug files.

    keep: files below stage that are not ours and stay as they came. Raises BuildError for a file without
    a build-id, because nobody could ever find its debug information again.
    """
    ours = [elf for elf in read_elves(stage) if elf.name not in keep]
    if nameless := [elf.name for elf in ours if not elf.build_id]:
        msg = f"no build-id in {', '.join(nameless)}"
        raise BuildError(msg, "link with -Wl,--build-id=sha1.")
    debug.mkdir(parents=True, exist_ok=True)
    debug_files = []
    for elf in ours:
        if elf.has_debug:
            debug_file = debug / debug_path(elf)
            debug_file.parent.mkdir(parents=True, exist_ok=True)
            for command in split_commands(stage / elf.name, debug_file, toolchain.objcopy):
                run(command)
            debug_files.append(debug_file)
    return tuple(debug_files)


def drop_debug(tree: Path, toolchain: Toolchain, *, run: Runner) -> None:
    """Without debug information in place; symbols stay, so that a backtrace has names."""
    for elf in read_elves(tree):
        if elf.has_debug:
            run(Command(toolchain.objcopy, "--strip-debug", tree / elf.name))


def debug_path(elf: ElfFacts) -> Path:
    """usr/lib/debug/.build-id/ab/cdef.debug for the build-id abcdef."""
    return _DEBUG_ROOT / elf.build_id[:2] / f"{elf.build_id[2:]}.debug"


def split_commands(path: Path, debug_file: Path, objcopy: Path) -> tuple[Command, ...]:
    """Copies the debug information out, then strips the file in place and lets it name the copy."""
    return (
        Command(objcopy, "--only-keep-debug", path, debug_file),
        Command(objcopy, "--strip-unneeded", f"--add-gnu-debuglink={debug_file}", path),
    )
