"""edgebuild init: a first edgebuild.yaml for a CMake project, with every line explained."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import msgspec
import yaml

from edgebuild.commands.context import Context
from edgebuild.config.cmakelists import stated_name, stated_programs, stated_version
from edgebuild.config.schema import schema_of
from edgebuild.config.targets import load_row, row_names
from edgebuild.errors import ConfigError
from edgebuild.model.project import Name
from edgebuild.run import Command, Runner
from edgebuild.workspace import PROJECT_FILE, write_atomic

_SCHEMA = Path(".edgebuild/schema.json")
_NAME_CHARS = 40
_COMMENT_COLUMN = 44


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--name", help="What files, images and folders on boxes are called (default: the CMake project's name).")
@click.pass_obj
def command(ctx: Context, folder: Path, name: str | None) -> None:
    """Write edgebuild.yaml for the CMake project in FOLDER (default: here), and its schema for editors."""
    # Not the workspace's project, which may be one that this one lies in.
    folder = (click.get_current_context().find_root().params.get("project") or Path()) / folder
    path = folder / PROJECT_FILE
    if path.exists():
        msg = f"{path}: is there already, and is not overwritten"
        raise ConfigError(msg, "edit it; `edgebuild schema` prints what may stand in it.")
    if not folder.is_dir():
        msg = f"{folder}: no such folder"
        raise ConfigError(msg, "name the folder of your project.")
    text = render_project(folder, name or guess_name(folder), guess_version(folder, ctx.run))
    write_atomic(folder / _SCHEMA, json.dumps(schema_of("project"), indent=2) + "\n")
    write_atomic(path, text)
    click.echo(path)
    for line in next_steps(folder, row_names()[0]):
        click.echo(line, err=True)


def guess_name(folder: Path) -> str:
    """The CMake project's name, else the folder's, in the letters that a name may have. Raises ConfigError."""
    name = stated_name(folder / "CMakeLists.txt") or folder.resolve().name
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower())[:_NAME_CHARS].strip("-")
    if not plain:
        msg = f"{folder}: neither CMakeLists.txt nor the folder has a name to take"
        raise ConfigError(msg, "say --name NAME.")
    return plain


def guess_version(folder: Path, run: Runner) -> str:
    """Where the version comes from: CMakeLists.txt, a tag, or a first number to be edited."""
    if stated_version(folder / "CMakeLists.txt"):
        return "cmake"
    if any((each / ".git").exists() for each in (folder.absolute(), *folder.absolute().parents)):
        described = run(Command("git", "-C", folder, "describe", "--tags"), check=False)
        if described.returncode == 0:
            return "git"
    return '"0.1.0"'


def render_project(folder: Path, name: str, version: str) -> str:
    """edgebuild.yaml. A name that cannot be one raises ConfigError."""
    check_name(name)
    lists = folder / "CMakeLists.txt"
    conan = next((each for each in ("conanfile.py", "conanfile.txt") if (folder / each).is_file()), "")
    program = next(iter(stated_programs(lists)), "")
    source = f"{{cmake: ., conan: {conan}}}" if conan else "{cmake: .}"
    run_line = f"run: bin/{program}" if program else f"# run: bin/{name} --config ${{STATE}}/site.yaml"
    health = "# health: {cmd: bin/check, timeout: 60s}"
    return "\n".join(
        [
            f"# yaml-language-server: $schema={_SCHEMA.as_posix()}",
            _line(f"name: {quoted(name)}", "of files, images and folders on boxes"),
            _line(f"version: {version}", 'cmake: project(... VERSION); git: the tag; or "1.2.3"'),
            _line(f"source: {source}", "folder of CMakeLists.txt" + ("" if conan else "; conan: conanfile.txt if any")),
            _line("targets:", "rows, aliases or families ('generic-*') of `edgebuild targets`"),
            *(_line(f"  - {row}", load_row(row).title) for row in row_names()),
            _line("format: {default: tarball}", "tarball, image or [tarball, image]; also by row: NAME: image"),
            "# What starts, in the installed tree. ${STATE}: the box's own folder; ${RUN}: empty at every start.",
            _line(run_line, "one program with its words, no shell syntax"),
            _line(health, "a program that exits with 0 when well, or url: http://..."),
            "",
        ]
    )


def quoted(name: str) -> str:
    """A name in quotes where YAML would read it as a number or a yes: 2048, on."""
    return yaml.safe_dump([name]).removeprefix("- ").rstrip()


def check_name(name: str) -> None:
    """Raises ConfigError."""
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError as err:
        msg = f"--name: '{name}' cannot be a name"
        raise ConfigError(msg, f"use small letters, digits and - inside, at most {_NAME_CHARS}.") from err


def next_steps(folder: Path, row: str) -> list[str]:
    """What to do now, for people."""
    missing = [] if (folder / "CMakeLists.txt").is_file() else ["  There is no CMakeLists.txt yet; a build needs one."]
    return [
        *missing,
        "  next: read it and strike the targets you have no box of, then",
        *([f"    cd {shlex.quote(str(folder))}"] if folder.resolve() != Path.cwd() else []),
        f"    edgebuild build --target {row}",
    ]


def _line(content: str, comment: str) -> str:
    return f"{content:<{_COMMENT_COLUMN}}# {comment}"
