"""edgebuild key: the key that signs releases, and the keys whose releases are trusted."""

from __future__ import annotations

import platform
from pathlib import Path

import click

from edgebuild.commands.context import Context, json_option, print_json, print_table
from edgebuild.package.sign import (
    default_key_file,
    generate_key,
    load_key,
    load_trusted,
    public_file,
    set_aside,
    trust_key,
)
from edgebuild.workspace import Workspace

_file = click.Path(path_type=Path, dir_okay=False)
key_option = click.option("--key", type=_file, help="Private key (default: the one of `edgebuild key generate`).")
trusted_option = click.option("--trusted", type=_file, help="Public keys (default: trusted_keys of the project).")


def trusted_file(ws: Workspace) -> Path:
    """Beside edgebuild.yaml, so that it is reviewed and versioned like the project itself."""
    return ws.project / "trusted_keys"


@click.group("key")
def command() -> None:
    """Make and show the keys that sign releases."""


@command.command("generate")
@click.option("--out", type=_file, help="Where the private key goes (default: your configuration folder).")
@click.option("--force", is_flag=True, help="Where there is a key already, move that one aside.")
@click.pass_obj
def generate(ctx: Context, out: Path | None, force: bool) -> None:
    """A new Ed25519 key in OpenSSH's format, trusted by this project."""
    place, trusted = out or default_key_file(), trusted_file(ctx.ws)
    load_trusted(trusted)  # what is wrong with it is said before there is a key
    old = set_aside(place) if force else None
    key = generate_key(place, comment=f"edgebuild@{platform.node()}")
    trust_key(key.public, trusted)
    if old:
        click.echo(f"{old}: the key of before, trusted until its line is taken out of trusted_keys")
    click.echo(f"{place}: private key; keep it to yourself")
    click.echo(f"{public_file(place)}: public key {key.public.id}")
    click.echo(f"{trusted}: now trusts it; keep this file under version control")


@command.command("show")
@key_option
@trusted_option
@json_option
@click.pass_obj
def show(ctx: Context, key: Path | None, trusted: Path | None, as_json: bool) -> None:
    """The id of the signing key and of every trusted key."""
    place, trusted = key or default_key_file(), trusted or trusted_file(ctx.ws)
    found = [(load_key(place).public, place)] if key or place.exists() else []
    found += [(each, trusted) for each in load_trusted(trusted)]
    uses = ["sign" if file is place else "trust" for _, file in found]
    if as_json:
        keys = [
            {"use": use, "id": each.id, "comment": each.comment, "file": str(file)}
            for use, (each, file) in zip(uses, found, strict=True)
        ]
        print_json({"schema": "edgebuild.keys/1", "keys": keys})
        return
    table = [(use, each.id, each.comment, str(file)) for use, (each, file) in zip(uses, found, strict=True)]
    print_table(table, ("use", "id", "comment", "file"))
