"""Facts of an artifact, until edgebuild.inputs reads any."""

from __future__ import annotations

import os
from pathlib import Path

from packaging.utils import parse_wheel_filename

from edgebuild.elf import read_elf, read_elves
from edgebuild.errors import AuditError
from edgebuild.model.tree import OtherFile, TreeFacts, WheelFacts
from tests.truth.artifacts import Artifact

FOLDERS = ("lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib", "usr/lib")


def tree_of(artifact: Artifact) -> TreeFacts:
    path, folder = artifact.path, artifact.folder
    name = str(path)
    if path.suffix == ".deb":
        return TreeFacts(
            path=name, kind="deb", elves=read_elves(folder), system=True, loader_path=FOLDERS, links={"lib": "usr/lib"}
        )
    if path.suffix == ".whl":
        tags = tuple(sorted(map(str, parse_wheel_filename(path.name)[3])))
        return TreeFacts(path=name, kind="wheel", elves=read_elves(folder), wheel=WheelFacts(file=path.name, tags=tags))
    if path.is_file():
        try:
            return TreeFacts(path=name, kind="file", elves=(read_elf(path),))
        except AuditError as err:
            return TreeFacts(
                path=name, kind="file", others=(OtherFile(name=path.name, kind="damaged", value=str(err)),)
            )
    links = {}
    others = []
    for base, dirs, files in os.walk(folder):
        for each in (*dirs, *files):
            p = Path(base, each)
            if p.is_symlink():
                if p.exists():
                    links[str(p.relative_to(folder))] = str(p.resolve().relative_to(folder.resolve()))
                else:
                    others.append(OtherFile(name=str(p.relative_to(folder)), kind="link", value=str(p.readlink())))
            elif p.suffix == ".pyc":
                magic = int.from_bytes(p.read_bytes()[:2], "little")
                others.append(
                    OtherFile(
                        name=str(p.relative_to(folder)),
                        kind="pyc",
                        value={3425: "3.9", 3495: "3.11", 3571: "3.13"}.get(magic, ""),
                    )
                )
    return TreeFacts(path=name, kind="folder", elves=read_elves(folder), links=links, others=tuple(others))
