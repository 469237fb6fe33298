"""What deploy, rollback, status and box share: which boxes are meant, how they are reached, how results are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
import msgspec

from edgebuild.commands.context import Context, complete_targets, current_project, print_json, print_table
from edgebuild.config.fleet import fill_in, load_fleet
from edgebuild.deploy.perform import Connect, Order
from edgebuild.deploy.program import Home
from edgebuild.deploy.rollout import exit_code_of
from edgebuild.deploy.ssh import connect
from edgebuild.deploy.transport import Login
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.model.box import BoxResult, BoxSpec, Fleet, FleetDefaults, parse_address
from edgebuild.model.project import Format
from edgebuild.model.release import Release
from edgebuild.package.release import MANIFEST, RELEASES, find_release
from edgebuild.workspace import Workspace

F = TypeVar("F", bound=Callable[..., Any])
_file = click.Path(path_type=Path, dir_okay=False)
_FLEET_FILES = (".yaml", ".yml")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")  # as model.project.Name

# How a box is reached. An option wins over what fleet.yaml says.
_REACH = (
    click.option("--key", "ssh_key", type=_file, help="Private SSH key (default: agent, ~/.ssh/id_*, ~/.ssh/config)."),
    click.option("--known-hosts", type=_file, help="Accepted host keys (default: ~/.ssh/known_hosts)."),
    click.option("--via", metavar="[USER@]HOST[:PORT]", help="Jump host."),
)
_PLACE = (
    click.option("--root", metavar="FOLDER", help="Where applications live on the box (/var/lib/edgebuild)."),
    click.option("--become", type=click.Choice(["sudo"]), help="Work as root on the box, without a password."),
)
_CHOICE = (
    click.option("--target", "-t", metavar="NAME", shell_complete=complete_targets, help="The box's row (auto)."),
    click.option("--format", "kind", type=click.Choice(get_args(Format)), help="Default: tarball where there is one."),
)


name_option = click.option(
    "--name", metavar="NAME", help="Application (default: that of the fleet's release, or of the project)."
)


@dataclass(frozen=True)
class Wish:
    """The options that say which boxes, as whom and where."""

    boxes: str
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    via: str | None = None
    root: str | None = None
    become: str | None = None
    target: str | None = None
    kind: str | None = None

    def fleet(self) -> Fleet:
        """From a file, or of one box. Raises ConfigError."""
        path = Path(self.boxes)
        if path.suffix in _FLEET_FILES:
            fleet = load_fleet(path)
            return msgspec.structs.replace(fleet, boxes=tuple(self._changed(box) for box in fleet.boxes))
        return Fleet(release="", boxes=(self.box(),))

    def box(self) -> BoxSpec:
        """Of an address. Raises ConfigError."""
        return self._changed(BoxSpec(id=self.boxes, address=self.boxes))

    def connector(self, box: BoxSpec) -> Connect:
        return partial(connect, self.login(box))

    def login(self, box: BoxSpec) -> Login:
        return Login(
            parse_address(box.address),
            key=Path(box.key) if box.key else None,
            via=parse_address(box.via) if box.via else None,
            known_hosts=self.known_hosts,
        )

    def _changed(self, box: BoxSpec) -> BoxSpec:
        given = {
            "key": str(self.ssh_key.absolute()) if self.ssh_key else None,
            "via": self.via,
            "root": self.root,
            "become": self.become,
            "target": self.target,
            "format": self.kind,
        }
        changed = msgspec.structs.replace(box, **{name: value for name, value in given.items() if value})
        return fill_in(changed, FleetDefaults(), where=f"box {box.id}", folder=Path.cwd())


def boxes_argument(function: F) -> F:
    return click.argument("boxes", metavar="[USER@]HOST[:PORT]|FLEET.yaml")(function)


def reach_options(function: F) -> F:
    return _add(_REACH, function)


def place_options(function: F) -> F:
    return _add(_REACH + _PLACE, function)


def choice_options(function: F) -> F:
    return _add(_REACH + _PLACE + _CHOICE, function)


def home_of(box: BoxSpec, application: str) -> Home:
    return Home(f"{box.root}/{application}", box.become)


def release_folder(wish: str, beside: str, ws: Workspace) -> Path:
    """wish: what was asked for, "" for the newest in out/releases. beside: the fleet file it stands in, if in any."""
    if wish:
        near = Path(beside).parent / wish
        return near if beside and near.is_dir() else find_release(wish, ws)
    manifests = (ws.out / RELEASES).glob(f"[!.]*/{MANIFEST}")
    newest = max(manifests, key=lambda path: path.stat().st_mtime_ns, default=None)
    if newest is None:
        msg = f"{ws.out / RELEASES}: there is no release"
        raise NotAvailable(msg, "`edgebuild release` makes one; --release DIR names one elsewhere.")
    return newest.parent


@dataclass(frozen=True)
class Application:
    """name: of its folder on the boxes. ids: what the fleet's release is called there; none without a fleet file."""

    name: str
    ids: frozenset[str] = frozenset()


def application(given: str | None, fleet: Fleet, boxes: str, ctx: Context) -> Application:
    """As the option, the fleet's release, or the project says. Raises ConfigError, NotAvailable."""
    found = _application(given, fleet, boxes, ctx)
    if not _NAME.fullmatch(found.name):
        msg = f"'{found.name}' is not an application's name"
        raise ConfigError(msg, "it has letters, digits and '-', as `name` in edgebuild.yaml.")
    return found


def _application(given: str | None, fleet: Fleet, boxes: str, ctx: Context) -> Application:
    if given:
        return Application(given)
    if not fleet.release:
        return Application(current_project(ctx.ws)[0].name)
    folder = release_folder(fleet.release, boxes, ctx.ws)
    try:
        # Only names are used, and nothing is sent; no need to hash the archives.
        release = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Release)
    except (OSError, ValueError, RecursionError) as err:
        msg = f"{folder / MANIFEST}: cannot be read ({err})"
        raise NotAvailable(msg, "--name says what the application is called.") from err
    return Application(release.name, frozenset(each.id for row in release.rows.values() for each in row.payloads))


def empty_order(ctx: Context, application: str) -> Order:
    """For verbs that send nothing of a release."""
    return Order(Release(name=application, version="", run="", health=None, rows={}, made_from={}), Path(), ctx.ws.log)


def show_results(results: Sequence[BoxResult], *, as_json: bool) -> int:
    """One document or one table, errors on stderr; gives the exit code."""
    code = exit_code_of(result.exit_code for result in results)
    if as_json:
        print_json({"schema": "edgebuild.deploy/1", "exit_code": code, "boxes": msgspec.to_builtins(results)})
    else:
        print_table(
            [_result_row(result) for result in results],
            ("box", "target", "outcome", "before", "after", "MB", "s", "health"),
        )
    for result in results:
        if result.error:
            show_error(result.box, result.error, result.hint)
    return code


def show_error(box: str, error: str, hint: str) -> None:
    click.echo(printable(error if error.startswith(box) else f"{box}: {error}"), err=True)
    if hint:
        click.echo(f"  hint: {hint}", err=True)


def _result_row(result: BoxResult) -> tuple[str, ...]:
    return (
        result.box,
        result.target or "-",
        result.outcome.replace("_", " "),
        result.before or "-",
        result.after or "-",
        f"{result.bytes_sent / 1e6:.1f}",
        f"{result.seconds:.1f}",
        shortened(result.health),
    )


def shortened(text: str) -> str:
    text = printable(text)
    return (text if len(text) <= 60 else text[:57] + "...") or "-"


def printable(text: str) -> str:
    """What a box says is shown on a terminal, and must not steer it."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def _add(options: Sequence[Callable[[Any], Any]], function: F) -> F:
    added: F = reduce(lambda inner, option: option(inner), reversed(options), function)
    return added
