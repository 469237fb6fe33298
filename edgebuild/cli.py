"""The command line: global options, exit codes, and where every error becomes words. Only this file exits.

(And __main__.py, when Ctrl-C comes before this one has been imported.)
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from edgebuild import __version__
from edgebuild.commands.context import Context
from edgebuild.errors import INTERRUPTED, ConfigErrors, EdgebuildError, NotAvailable
from edgebuild.log import Log
from edgebuild.run import run
from edgebuild.workspace import Workspace, find_project

# Verb -> one line of help. Modules are imported when their verb is called: start-up time is a feature.
_VERBS = {
    "init": "Write a first edgebuild.yaml for a CMake project.",
    "build": "Cross-compile for a target and prove that the box can load the result.",
    "run": "Run a program of a built artifact, natively or under emulation.",
    "audit": "Check artifacts of any tool against what a box can load.",
    "probe": "Write the contract of a box, a root folder or an image: what it can load.",
    "contract": "List, show, compare and merge device contracts.",
    "key": "Make the key that signs releases, and show which are trusted.",
    "release": "Seal and sign what was built for all targets, as one folder.",
    "verify": "Check a release: its signature, and every file of every archive.",
    "deploy": "Send a release to a box or a fleet, and switch to it where it is healthy.",
    "rollback": "Switch boxes back to the release they had before.",
    "status": "Show what boxes run.",
    "box": "Make a box's host key known.",
    "targets": "List the targets, or show one with every value.",
    "sysroot": "Provide, lock and list distribution sysroots.",
    "sdk": "Import vendors' SDKs, to link your own engine against them.",
    "toolchain": "Provide, lock and list toolchains.",
    "ci": "List the rows as a CI matrix, or print a workflow that builds them.",
    "schema": "Print the JSON Schema of edgebuild.yaml or fleet.yaml, for editors.",
    "doctor": "Say what is missing on this machine and what still works without it.",
}


class _Verbs(click.Group):
    """Imports edgebuild.commands.VERB when it is needed, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command: click.Command = importlib.import_module(f"edgebuild.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgebuild")
@click.option(
    "--project", "-C", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder to work in."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Output folder (default: out/).")
@click.option("--offline", is_flag=True, help="Never use the network; name what is missing.")
@click.option("--quiet", "-q", is_flag=True, help="No steps on stderr, errors only.")
@click.pass_context
def cli(ctx: click.Context, project: Path | None, out: Path | None, offline: bool, quiet: bool) -> None:
    """One C++ video-analytics core, many incompatible boxes.

    \b
    Exit codes: 0 done, 2 usage or configuration, 3 not available (missing tool, offline),
    4 build failed, 5 audit refused, 6 verification, signature, licence or host key refused,
    7 box refused or failed, 8 boxes that are off are pending, 130 interrupted.
    Tab completion: eval "$(_EDGEBUILD_COMPLETE=bash_source edgebuild)" (also zsh_source, fish_source).
    """
    start = (project or Path.cwd()).resolve()  # or a ".." in it would make folders beside it look like its parents
    folder = find_project(start) or start
    log = Log(quiet=quiet)
    ctx.obj = Context(Workspace.open(project=folder, out=out, log=log, offline=offline), run)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. Every ending on purpose has its own exit code and no traceback."""
    signal.signal(signal.SIGTERM, _interrupt)  # a polite kill cleans up like Ctrl-C: children end, nothing half-written
    sys.exit(_run(argv))


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _run(argv: Sequence[str] | None) -> int:
    try:
        code = cli.main(args=argv, prog_name="edgebuild", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as err:
        click.echo(err.format_message())
        return 2
    except click.ClickException as err:
        click.echo(f"error: {err.format_message()}", err=True)
        click.echo("  hint: `edgebuild --help` shows what there is.", err=True)
        return 2
    except ConfigErrors as err:
        for each in err.errors:
            _print_error(each)
        return err.exit_code
    except EdgebuildError as err:
        _print_error(err)
        return err.exit_code
    except click.exceptions.Exit as err:
        return err.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; nothing half-written was kept.", err=True)
        return INTERRUPTED
    except OSError as err:
        _print_error(NotAvailable(f"{err.filename or 'input or output'}: {err.strerror or err}"))
        return NotAvailable.exit_code
    return code if isinstance(code, int) else 0


def _print_error(error: EdgebuildError) -> None:
    click.echo(f"error: {error.message}", err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)
