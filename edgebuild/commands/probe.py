"""edgebuild probe: what can this box load? Its answer is a contract, which everything else is checked against."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from edgebuild import __version__
from edgebuild.commands.context import Context, Something, contract_output, json_option, print_json, print_table
from edgebuild.commands.fleet import Wish, printable, reach_options
from edgebuild.config.contracts import FOLDER, save_contract
from edgebuild.config.probe_rules import load_probe_rules
from edgebuild.config.targets import row_kinds, rows_like
from edgebuild.deploy.ssh import connect
from edgebuild.deploy.transport import ConnectionLost
from edgebuild.errors import BoxPending, ConfigError
from edgebuild.inputs.artifact import open_artifact
from edgebuild.inputs.engine import PREFIX as ENGINE_PREFIX
from edgebuild.inputs.engine import open_engine_image
from edgebuild.model.box import parse_address
from edgebuild.model.contract import Contract, EngineFacts, Provided
from edgebuild.probe.contract import ALL_BYTES, probe
from edgebuild.probe.live import LiveBox
from edgebuild.probe.root import RootFolder
from edgebuild.probe.view import Source
from edgebuild.workspace import Workspace

_DEFAULT_MB = 64


@click.command("probe")
@click.argument("box", metavar="[USER@]HOST[:PORT]", required=False)
@click.option("--root", type=click.Path(path_type=Path, exists=True, file_okay=False), help="A mounted root instead.")
@click.option("--image", metavar="FILE|REFERENCE", type=Something(), help="A container image instead.")
@click.option(
    "-o",
    "--output",
    metavar="FILE.yaml",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=contract_output,
    help="Default: contracts/NAME.yaml.",
)
@click.option("--title", default="", help="What the box is called (default: its system and CPU).")
@click.option("--max-mb", default=_DEFAULT_MB, show_default=True, type=click.IntRange(1), help="To fetch at most.")
@click.option("--all-libraries", is_flag=True, help="Fetch every library, whatever their size.")
@reach_options
@json_option
@click.pass_obj
def command(
    ctx: Context,
    box: str | None,
    root: Path | None,
    image: str | None,
    output: Path | None,
    title: str,
    max_mb: int,
    all_libraries: bool,
    ssh_key: Path | None,
    known_hosts: Path | None,
    via: str | None,
    as_json: bool,
) -> None:
    """Write the contract of a live box, a root folder or an image. Nothing is changed on a box.

    \b
    edgebuild probe root@192.168.1.10
    edgebuild probe --root /mnt/rootfs -o contracts/acme.yaml
    """
    if sum(each is not None for each in (box, root, image)) != 1:
        msg = "say one of a box's address, --root FOLDER and --image IMAGE"
        raise ConfigError(msg, "`edgebuild probe root@192.168.1.10`, for example.")
    rules = load_probe_rules(ctx.ws)
    asked = Wish(box or "", ssh_key=ssh_key, known_hosts=known_hosts, via=via)
    with _source(ctx, asked, root, image) as source:
        room_bytes = ALL_BYTES if all_libraries else max_mb << 20
        provided = probe(source, rules, title=title, room_bytes=room_bytes, log=ctx.ws.log)
    origin = box or str(root or image)
    path = output or ctx.ws.project / FOLDER / f"{contract_name(origin, is_box=bool(box))}.yaml"
    day = datetime.datetime.now(datetime.timezone.utc).date()
    header = f"What {origin} can load. Made by `edgebuild probe` {__version__} on {day}; yours to review and to change."
    save_contract(provided, path, header=header)
    _show(provided, path, rows_like(provided.contract, row_kinds(ctx.ws)), as_json=as_json)


@contextlib.contextmanager
def _source(ctx: Context, asked: Wish, root: Path | None, image: str | None) -> Iterator[Source]:
    if root:
        yield RootFolder(root, ctx.ws)
        return
    if image:
        with _image_root(image, ctx.ws) as folder:
            yield RootFolder(folder, ctx.ws, word="image", place=image)
        return
    spec = asked.box()
    try:
        with ctx.ws.log.step(f"Connecting to {spec.address}"):
            transport = connect(asked.login(spec))
        with contextlib.closing(transport):
            yield LiveBox(transport.call, transport.address, ctx.ws)
    except ConnectionLost as err:  # in the middle of nothing: it was only asked
        raise BoxPending(err.message, "run it again; nothing was changed.") from err


@contextlib.contextmanager
def _image_root(image: str, ws: Workspace) -> Iterator[Path]:
    """image: an archive or layout, else a reference in the local engine. Gone afterwards."""
    if not Path(image).exists():
        with open_engine_image(image.removeprefix(ENGINE_PREFIX)) as kept, ws.scratch("image") as scratch:
            archive = scratch / "image.tar"
            kept.save(archive, ws=ws)
            with _image_root(str(archive), ws) as folder:
                yield folder
        return
    with ws.log.step(f"Unpacking {Path(image).name}"):
        opened = contextlib.ExitStack()
        artifact = opened.enter_context(open_artifact(Path(image), ws=ws))
    with opened:
        if artifact.kind not in ("image", "tar"):
            msg = f"--image: {image} is a {artifact.kind}, not an image"
            raise ConfigError(msg, "--root is for a folder; an image is an archive of `docker save`, or an OCI layout.")
        yield artifact.root


def contract_name(origin: str, *, is_box: bool) -> str:
    """ "192.168.1.10" of "root@192.168.1.10:22"; "rootfs" of "/mnt/rootfs"; "debian-12" of "debian:12"."""
    if is_box:
        name = parse_address(origin).host
    else:
        name = re.sub(r"(\.image)?\.(tar(\.\w+)?|oci)$", "", origin.rstrip("/").rpartition("/")[2])
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "box"


def _show(provided: Provided, path: Path, rows: tuple[str, ...], *, as_json: bool) -> None:
    contract = provided.contract
    missing = unknown_facts(contract)
    if as_json:
        document = {"contract": msgspec.to_builtins(contract), "file": str(path), "rows": rows, "unknown": missing}
        print_json({"schema": "edgebuild.contract/1", **document})
        return
    print_table([(name, printable(value)) for name, value in known_facts(provided).items()], ("fact", "value"))
    if rows:
        click.echo(f"looks like row: {', '.join(rows)}")
    if missing:
        click.echo(f"unknown: {', '.join(missing)}; what needs these is refused until the contract states them.")
    is_named = path.parent.name == FOLDER and path.parent.parent == Path.cwd()
    click.echo(f"\n{path} says it all. Next: edgebuild audit PATH --contract {path.stem if is_named else path}")


def known_facts(provided: Provided) -> dict[str, str]:
    """What a person asks first, short."""
    contract = provided.contract
    stdcxx = contract.libraries.get("libstdc++.so.6", {})
    read = f"{len(contract.libraries)}, symbols of {len(provided.symbols)}"
    facts = {
        "title": contract.title,
        "arch": contract.arch,
        "cpu": f"{contract.cpu.model}, emulated as {contract.cpu.emulated_as}",
        "features": " ".join(contract.cpu.features or ()),
        "page size": str(contract.page_size or ""),
        "kernel": contract.kernel or "",
        "glibc": contract.glibc or "",
        "libstdc++": ", ".join(f"{family} {version}" for family, version in stdcxx.items()),
        "libraries": read,
        "python": ", ".join(each.version for each in contract.pythons or ()),
        "engine": _engine_text(contract),
        "free": f"{contract.free_bytes / 2**30:g} GiB or more" if contract.free_bytes else "",
        **contract.versions,
    }
    return {name: value for name, value in facts.items() if value}


def _engine_text(contract: Contract) -> str:
    if not isinstance(contract.engine, EngineFacts):
        return contract.engine or ""
    engine = contract.engine
    mounts = "unknown mounts" if engine.mounts is None else f"{len(engine.mounts)} files laid into images"
    return f"{engine.name} {engine.version or '(version unknown)'}, {mounts}"


def unknown_facts(contract: Contract) -> list[str]:
    """Facts that nobody could find out; a check that needs one refuses."""
    facts: dict[str, object] = {
        "cpu.features": contract.cpu.features,
        "page_size": contract.page_size,
        "kernel": contract.kernel,
        "pythons": contract.pythons,
        "programs": contract.programs,
        "engine": contract.engine,
        "model": contract.model,
        "free_bytes": contract.free_bytes,
    }
    if isinstance(contract.engine, EngineFacts):
        parts = ("version", "layers", "seccomp", "mounts")
        facts |= {f"engine.{name}": getattr(contract.engine, name) for name in parts}
    return [name for name, value in facts.items() if value is None]
