"""edgebuild audit: could the boxes of a row load this file, folder, wheel or tarball?"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from edgebuild.build.audit import audit, render_findings
from edgebuild.commands.context import Context, json_option, print_json, print_table, target_option
from edgebuild.config.targets import load_target, resolve_names
from edgebuild.elf import highest_versions, is_elf, read_elf, read_elves
from edgebuild.errors import AuditError, ConfigError
from edgebuild.model.elf import ElfFacts
from edgebuild.unpack import unpack_tar, unpack_wheel
from edgebuild.workspace import Workspace

_FAMILIES = ("GLIBC", "GLIBCXX")


@click.command("audit")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@target_option
@json_option
@click.pass_obj
def command(ctx: Context, path: Path, target: str, as_json: bool) -> None:
    """Check a file, folder, wheel or tarball against what a target's box can load.

    A folder is audited as a whole: libraries in it find each other as they would on the box.
    """
    specs = [load_target(name, ctx.ws) for name in resolve_names(target)]
    elves = read_any(path, ctx.ws)
    findings = {spec.name: audit(elves, spec.contract) for spec in specs}
    if as_json:
        files = [{"name": elf.name, "kind": elf.kind, "needs": highest_versions(elf)} for elf in elves]
        verdicts = {name: msgspec.to_builtins(each) for name, each in findings.items()}
        print_json({"schema": "edgebuild.audit/1", "path": str(path), "files": files, "findings": verdicts})
    if refused := {name: each for name, each in findings.items() if each}:
        texts = [
            f"{path}: the boxes of {name} cannot load it\n{render_findings(each)}" for name, each in refused.items()
        ]
        raise AuditError("\n".join(texts), "`edgebuild targets show NAME` prints what its box provides.")
    if not as_json:
        print_table([_row(elf) for elf in elves], ("file", *_FAMILIES))


def _row(elf: ElfFacts) -> tuple[str, ...]:
    highest = highest_versions(elf)
    return (elf.name, *(highest.get(family, "-") for family in _FAMILIES))


def read_any(path: Path, ws: Workspace) -> tuple[ElfFacts, ...]:
    """Facts of all ELF files that a path stands for. Archives are unpacked aside and are gone afterwards."""
    if path.is_dir():
        return read_elves(path)
    if is_elf(path.resolve()):
        return (read_elf(path.resolve(), name=path.name),)
    with _unpacked(path, ws) as tree:
        return read_elves(tree)


@contextmanager
def _unpacked(archive: Path, ws: Workspace) -> Iterator[Path]:
    with ws.scratch("audit") as tree:
        _unpack(archive, tree)
        yield tree


def _unpack(archive: Path, tree: Path) -> None:
    if archive.name.endswith(".whl") or zipfile.is_zipfile(archive):
        unpack_wheel(archive, tree)
    elif archive.name.endswith(".tar.gz") or tarfile.is_tarfile(archive):
        unpack_tar(archive, tree)
    else:
        msg = f"{archive}: neither a folder, an ELF file, a wheel nor a tarball"
        raise ConfigError(msg)
