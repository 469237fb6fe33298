"""An imported SDK in words and as JSON: what it is, what it has, how a build asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from edgebuild.build.sdk_view import targets_of
from edgebuild.commands.context import print_table
from edgebuild.model.sdk import Lacking, SdkTree

_SHOWN = 40


def document_of(tree: SdkTree, lacks: Sequence[Lacking]) -> dict[str, Any]:
    sdk = tree.sdk
    targets = {library.name: target for target, library in targets_of(sdk.name, sdk.lock.libraries).items()}
    return {
        "schema": "edgebuild.sdk/1",
        "name": sdk.name,
        **msgspec.to_builtins(sdk.recipe),
        "redistributable": sdk.recipe.redistributable,
        "tree": sdk.lock.tree,
        "archive": msgspec.to_builtins(sdk.lock.archive),
        "files": sdk.lock.files,
        "size_bytes": sdk.lock.size_bytes,
        "provided": tree.folder.is_dir(),
        "path": str(tree.root),
        "prefix": str(tree.prefix),
        "includes": list(sdk.lock.includes),
        "cmake_variables": sdk.recipe.cmake_variables,
        "libraries": [
            {
                **msgspec.to_builtins(library),
                "soname": library.soname,
                "target": targets[library.name],
                "exported": len(sdk.symbols.get(library.name, ())),
            }
            for library in sdk.lock.libraries
        ],
        "backends": [msgspec.to_builtins(each) for each in lacks],
    }


def echo_sdk(tree: SdkTree, lacks: Sequence[Lacking]) -> None:
    sdk = tree.sdk
    recipe, licence = sdk.recipe, sdk.recipe.licence
    shipped = "may ship" if recipe.redistributable else "never ships: products that contain a file of it are refused"
    lines = {
        "title": f"{recipe.title} {recipe.version}, {recipe.arch}",
        "from": " / ".join((recipe.source, *recipe.inner)),
        "licence": f"{licence.name}, accepted by {licence.accepted_by} on {licence.accepted_on}; {shipped}",
        "texts": ", ".join(licence.files) or "none among its files",
        "headers": ", ".join(sdk.lock.includes) or "none",
        "prefix": str(tree.prefix) if tree.folder.is_dir() else "not in the cache",
        "CMake": f"find_package({sdk.name}); " + ", ".join(f"{k}={v}" for k, v in recipe.cmake_variables.items()),
    }
    for word, text in lines.items():
        click.echo(f"{word:<8} {text.rstrip('; ')}")
    rows = [
        (target, library.name, str(len(sdk.symbols.get(library.name, ()))), library.path)
        for target, library in targets_of(sdk.name, sdk.lock.libraries).items()
    ]
    if rows:
        print_table(rows[:_SHOWN], ("target", "library", "exports", "file"))
    if len(rows) > _SHOWN:
        click.echo(f"and {len(rows) - _SHOWN} more; --json has them all")
    for each in lacks:
        click.echo(_verdict(each))


def _verdict(each: Lacking) -> str:
    if each.missing:
        return (
            f"backend {each.backend}: {each.library} lacks {', '.join(each.missing)}, so it does not open with this SDK"
        )
    if each.optional:
        return f"backend {each.backend}: {each.library} lacks {', '.join(each.optional)}, which it can do without"
    return f"backend {each.backend}: {each.library} has every function that it calls"
