"""What every command gets, and the options and outputs that commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from edgebuild.errors import ConfigError
from edgebuild.model.project import Project
from edgebuild.run import Runner
from edgebuild.workspace import PROJECT_FILE, Workspace


@dataclass(frozen=True)
class Context:
    """Handed to commands as click's context object: `@click.pass_obj`."""

    ws: Workspace
    run: Runner


def current_project(ws: Workspace) -> tuple[Project, Path]:
    """The project we stand in and the folder of its edgebuild.yaml; the core where there is none."""
    from edgebuild.config.project import load_project

    folder = ws.project if (ws.project / PROJECT_FILE).is_file() else ws.core_source
    return load_project(folder), folder


def complete_targets(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Tab completion of rows and aliases."""
    from edgebuild.config.targets import load_row, row_names

    names = [*row_names(), *(alias for name in row_names() for alias in load_row(name).alias)]
    return [name for name in names if name.startswith(incomplete)]


def complete_recipes(room: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Tab completion of the recipes in a room ("sysroots"). No command has begun then, so there is no Context."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        from edgebuild.log import Log

        ws = Workspace.open(project=Path.cwd(), out=None, log=Log(quiet=True))
        return [name for name in ws.names(room) if name.startswith(incomplete)]

    return complete


def complete_contracts(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Tab completion of contracts by name, the project's own and the shipped ones; files where none is called so."""
    from edgebuild.config.contracts import contract_names
    from edgebuild.log import Log

    ws = Workspace.open(project=Path.cwd(), out=None, log=Log(quiet=True))
    named = [CompletionItem(name) for name in contract_names(ws) if name.startswith(incomplete)]
    return named or [CompletionItem(incomplete, type="file")]


target_option = click.option(
    "--target", "-t", required=True, metavar="NAME", shell_complete=complete_targets, help="A row or its alias."
)


class Something(click.Path):
    """A file, folder or reference that files complete. An empty one would mean the current folder to most code, and is
    an unset variable in a script.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in ("", "docker:"):
            self.fail("it names nothing; is a variable empty?", param, ctx)
        return super().convert(value, param, ctx)


def require_file_or_folder(path: Path) -> None:
    """A pipe would be waited for, a device read without end. Raises ConfigError."""
    if not (path.is_file() or path.is_dir()):
        msg = f"{path}: a pipe, a device or a socket, where a file or a folder is expected"
        raise ConfigError(msg, "save what comes out of it to a file, and name that.")


def contract_output(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> Path | None:
    """Said before a box is asked: a contract of another name would be found by no command."""
    if path and path.suffix != ".yaml":
        msg = f"--output: {path}: a contract's file ends in .yaml"
        raise ConfigError(msg, f"--output {path}.yaml; its symbols lie beside it.")
    return path


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def print_json(document: dict[str, Any]) -> None:
    """The one JSON document of a command, on stdout. It carries `schema`."""
    assert "schema" in document
    click.echo(json.dumps(document, indent=2))


def print_table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> None:
    """Left-aligned columns on stdout, as a person would paste them into a ticket."""
    for line in table_lines(rows, head):
        click.echo(line)


def table_lines(rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> list[str]:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]
