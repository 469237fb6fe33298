"""edgebuild box: make a box's host key known, once, after a person has compared it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgebuild.commands.fleet import Wish, reach_options
from edgebuild.deploy.known_hosts import HostKey, known_hosts
from edgebuild.deploy.ssh import fetch_host_key
from edgebuild.errors import ConfigError, VerificationError

_COMPARE = "on the box: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`, or `dropbearkey -y -f` with its key file."


@click.group("box")
def command() -> None:
    """Make boxes known."""


@command.command("adopt")
@click.argument("box", metavar="[USER@]HOST[:PORT]")
@click.option("--fingerprint", metavar="SHA256:...", help="What the key must be; without it you are asked.")
@reach_options
def adopt(box: str, fingerprint: str | None, ssh_key: Path | None, known_hosts: Path | None, via: str | None) -> None:
    """Show a box's host key and, if it is the right one, put it into known_hosts."""
    asked = Wish(box, ssh_key=ssh_key, known_hosts=known_hosts, via=via)
    names, key = fetch_host_key(asked.login(asked.box()))
    name, place = names[0], _known(known_hosts)
    if place.knows(names, key, accept_with=f"edgebuild box adopt {box}"):
        click.echo(f"{name}: known already ({key.kind} {key.fingerprint})")
        return
    _require_consent(name, key, fingerprint)
    place.add(name, key)
    click.echo(f"{name}: {key.kind} {key.fingerprint} is now in {place.files[0]}")


_known = known_hosts  # the option has the same name


def _require_consent(name: str, key: HostKey, fingerprint: str | None) -> None:
    if fingerprint:
        if fingerprint != key.fingerprint:
            msg = f"{name}: its host key is {key.kind} {key.fingerprint}, not {fingerprint}"
            raise VerificationError(msg, "another machine answers there, or the box has another key by now.")
        return
    if not sys.stdin.isatty():
        msg = f"{name}: host key {key.kind} {key.fingerprint}; nobody is here to say whether that is right"
        raise ConfigError(msg, f"compare it ({_COMPARE}), then give it as --fingerprint.")
    click.echo(f"{name} shows {key.kind} {key.fingerprint}\nCompare it with what you see {_COMPARE}", err=True)
    if not click.confirm("Is it the same?", default=False, err=True):
        msg = f"{name}: its host key was not accepted"
        raise VerificationError(msg)
