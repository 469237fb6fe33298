"""edgebuild targets: what there is, how far it is proven, and every value of a row with its file."""

from __future__ import annotations

import textwrap
from typing import Any

import click
import msgspec

from edgebuild.commands.context import Context, complete_targets, json_option, print_json, print_table
from edgebuild.config.contracts import load_contract
from edgebuild.config.targets import load_row, load_target, resolve_names, row_names
from edgebuild.model.target import ProofSpec

_WIDTH_CHARS = 100


@click.group("targets", invoke_without_command=True)
@json_option
@click.pass_context
def command(click_ctx: click.Context, as_json: bool) -> None:
    """List the targets, or show one with every value."""
    if click_ctx.invoked_subcommand is not None:
        return
    rows = {name: load_row(name) for name in row_names()}
    ctx: Context = click_ctx.obj
    arches = {name: load_contract(row.contract, ctx.ws).contract.arch for name, row in rows.items()}
    if as_json:
        listing = [{"name": name, "arch": arches[name], **msgspec.to_builtins(row)} for name, row in rows.items()]
        print_json({"schema": "edgebuild.targets/1", "targets": listing})
        return
    table = [
        (name, ", ".join(row.alias), arches[name], ", ".join(row.backends), row.title, _proven(row.proof))
        for name, row in rows.items()
    ]
    print_table(table, ("target", "alias", "arch", "backends", "title", "proven"))


def _proven(proof: ProofSpec) -> str:
    """The level, and what has shown it."""
    return f"{proof.level}: {proof.by}" if proof.by else proof.level


@command.command("show")
@click.argument("name", shell_complete=complete_targets)
@json_option
@click.pass_obj
def show(ctx: Context, name: str, as_json: bool) -> None:
    """Every value of a row and the file it comes from."""
    documents = []
    for resolved in resolve_names(name):
        spec = load_target(resolved, ctx.ws)
        parts: dict[str, Any] = {
            f"edgebuild/targets/{resolved}.yaml": msgspec.to_builtins(spec.row),
            f"edgebuild/contracts/{spec.row.contract}.yaml": msgspec.to_builtins(spec.contract),
            f"toolchains/{spec.row.toolchain}.yaml": msgspec.to_builtins(spec.toolchain.recipe),
        }
        against = spec.toolchain.sysroot
        linked = {against.name: (against.recipe, against.lock)} if against else {}
        for sysroot, (recipe, lock) in {**linked, **spec.sysroots}.items():
            held = {"locked_files": lock.imported.files} if lock.imported else {"locked_packages": len(lock.packages)}
            summary = {"glibc": lock.glibc, **held}
            parts[f"sysroots/{sysroot}.yaml"] = {**msgspec.to_builtins(recipe), **summary}
        if spec.image:
            parts[f"images/{spec.image.name}.yaml"] = msgspec.to_builtins(spec.image.recipe)
        for backend, runtime in spec.runtimes.items():
            parts[f"cpp_core/backends/{backend}/runtime.yaml"] = msgspec.to_builtins(runtime)
        if as_json:
            documents.append({"name": resolved, "values": parts})
            continue
        click.echo("\n\n".join(_section(source, values) for source, values in parts.items()))
    if as_json:
        print_json({"schema": "edgebuild.target/1", "targets": documents})


def _section(source: str, values: dict[str, Any]) -> str:
    """One file and its values, for people: long texts and lists go on below themselves."""
    lines = _flatten(values)
    name_chars = max(len(name) for name, _ in lines)
    text_chars = max(_WIDTH_CHARS - name_chars - 4, _WIDTH_CHARS // 2)
    shown = [source]
    for name, text in lines:
        head, *rest = textwrap.wrap(text, text_chars, break_long_words=False, break_on_hyphens=False) or [""]
        shown.append(f"  {name.ljust(name_chars)}  {head}".rstrip())
        shown += [f"  {'':{name_chars}}  {line}" for line in rest]
    return "\n".join(shown)


def _flatten(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        inner = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
        return [line for name, item in inner for line in _flatten(item, name)]
    if isinstance(value, (list, tuple)) and any(isinstance(item, dict) for item in value):
        return [line for index, item in enumerate(value) for line in _flatten(item, f"{path}[{index}]")]
    return [(path, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))]
