"""edgebuild schema: what editors need to complete and check edgebuild.yaml and fleet.yaml."""

from __future__ import annotations

import json

import click

from edgebuild.config.schema import KINDS, schema_of


@click.command("schema")
@click.argument("kind", type=click.Choice(list(KINDS)), default="project")
def command(kind: str) -> None:
    """Print the JSON Schema of edgebuild.yaml, or of fleet.yaml (`edgebuild schema fleet`).

    In an editor with the YAML language server: `# yaml-language-server: $schema=PATH` as the file's first line.
    """
    click.echo(json.dumps(schema_of(kind), indent=2))
