"""edgebuild verify: is this release, byte for byte, what somebody we trust has sealed?"""

from __future__ import annotations

from pathlib import Path

import click

from edgebuild.commands.context import Context, Something, json_option, print_json
from edgebuild.commands.key import trusted_file, trusted_option
from edgebuild.commands.release import print_release, release_document
from edgebuild.package.release import find_release, verify_release


@click.command("verify")
@click.argument("path", type=Something())
@trusted_option
@json_option
@click.pass_obj
def command(ctx: Context, path: str, trusted: Path | None, as_json: bool) -> None:
    """Check a release's signature, and every file of every archive. PATH: a folder, or NAME-VERSION."""
    place = find_release(path, ctx.ws)
    with ctx.ws.log.step(f"Verifying {place}"):
        opened = verify_release(place, trusted or trusted_file(ctx.ws))
    release, key = opened.release, opened.key
    if as_json:
        print_json(release_document("edgebuild.verified/1", place, release, key))
        return
    click.echo(f"{release.name}-{release.version}: whole, signed by {key.id} {key.comment}".rstrip())
    print_release(release)
