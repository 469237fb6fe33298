"""edgebuild contract: device contracts listed, shown, compared and brought to one floor."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from edgebuild.commands.context import (
    Context,
    complete_contracts,
    contract_output,
    json_option,
    print_json,
    print_table,
)
from edgebuild.commands.probe import known_facts, unknown_facts
from edgebuild.config.contracts import contract_names, find_contract, load_contract, render_contract, save_contract
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.model.contract_diff import diff_contracts
from edgebuild.model.contract_merge import merge_contracts


@click.group("contract")
def command() -> None:
    """What boxes can load: list, show, compare, merge."""


@command.command("list")
@json_option
@click.pass_obj
def list_(ctx: Context, as_json: bool) -> None:
    """The shipped contracts and the project's own."""
    loaded = {name: load_contract(name, ctx.ws).contract for name in contract_names(ctx.ws)}
    if as_json:
        listing = [{"name": name, "title": each.title, "arch": each.arch} for name, each in loaded.items()]
        print_json({"schema": "edgebuild.contracts/1", "contracts": listing})
        return
    rows = [(name, each.arch, each.glibc or "-", each.cpu.model, each.title) for name, each in loaded.items()]
    print_table(rows, ("contract", "arch", "glibc", "cpu", "title"))


@command.command("show")
@click.argument("name", metavar="NAME|FILE", shell_complete=complete_contracts)
@json_option
@click.pass_obj
def show(ctx: Context, name: str, as_json: bool) -> None:
    """Every fact of a contract, where it comes from, and what is unknown."""
    provided = load_contract(name, ctx.ws, where="NAME")
    contract = provided.contract
    missing = unknown_facts(contract)
    if as_json:
        file = str(find_contract(name, ctx.ws))
        document = {"contract": msgspec.to_builtins(contract), "file": file, "unknown": missing}
        print_json({"schema": "edgebuild.contract/1", **document})
        return
    click.echo(render_contract(contract, header=str(find_contract(name, ctx.ws))), nl=False)
    click.echo(f"\nlibraries: {known_facts(provided)['libraries']}; unknown: {', '.join(missing) or 'nothing'}")


@command.command("diff")
@click.argument("before", metavar="A", shell_complete=complete_contracts)
@click.argument("after", metavar="B", shell_complete=complete_contracts)
@json_option
@click.pass_obj
def diff(ctx: Context, before: str, after: str, as_json: bool) -> None:
    """What an upgrade, or a second box, changes."""
    rows = diff_contracts(load_contract(before, ctx.ws, where="A"), load_contract(after, ctx.ws, where="B"))
    if as_json:
        print_json({"schema": "edgebuild.contract-diff/1", "differences": msgspec.to_builtins(rows)})
    elif rows:
        print_table([(row.fact, row.before, row.after, row.change) for row in rows], ("fact", before, after, "change"))
    else:
        click.echo(f"{before} and {after} state the same facts.")


@command.command("merge")
@click.argument("names", metavar="A B...", nargs=-1, required=True, shell_complete=complete_contracts)
@click.option(
    "-o",
    "--output",
    metavar="FILE.yaml",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    callback=contract_output,
)
@click.option("--title", default="", help="Default: says whose floor it is.")
@json_option
@click.pass_obj
def merge(ctx: Context, names: tuple[str, ...], output: Path, title: str, as_json: bool) -> None:
    """The floor under several boxes: what each of them can load."""
    if len(names) < 2:
        msg = "merge: one contract is its own floor"
        raise ConfigError(msg, "name two or more.")
    boxes = [load_contract(name, ctx.ws, where="merge") for name in names]
    short = [Path(name).stem for name in names]
    merged = merge_contracts(boxes, title or f"Floor under {', '.join(short)}")
    if not merged.contract.libraries:
        msg = f"{', '.join(short)}: have no library in common"
        raise NotAvailable(msg, "only static programs would load on all of them.")
    save_contract(merged, output, header=f"The floor under {', '.join(short)}. Made by `edgebuild contract merge`.")
    missing = unknown_facts(merged.contract)
    if as_json:
        document = {"contract": msgspec.to_builtins(merged.contract), "file": str(output), "unknown": missing}
        print_json({"schema": "edgebuild.contract/1", **document})
        return
    print_table(list(known_facts(merged).items()), ("fact", "value"))
    if missing:
        click.echo(f"unknown: {', '.join(missing)}")
    click.echo(f"\n{output} says it all.")
