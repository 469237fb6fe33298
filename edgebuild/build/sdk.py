"""A vendor's SDK taken into the cache: opened, chosen, judged, packed; and made ready as a prefix for builds."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from edgebuild.build.pack import PackedFile, pack, unpack_packed
from edgebuild.build.sdk_choose import Chosen
from edgebuild.build.sdk_read import binaries_of, include_folders, libraries_of, symbols_of
from edgebuild.build.sdk_view import layout_files, recognise, write_view
from edgebuild.digest import digest_of, digest_tree, sha256_file
from edgebuild.elf import highest_versions, read_elves
from edgebuild.model.recipe import Download
from edgebuild.model.sdk import BackendFunctions, Lacking, Sdk, SdkLayout, SdkLock, SdkRecipe, SdkTree
from edgebuild.workspace import Workspace

_HERE = Path(__file__).resolve().parent
_MAKERS = ("sdk.py", "sdk_view.py")
_TOP = "sdk"  # the archive's one folder


@dataclass(frozen=True)
class Imported:
    """doubles: libraries that are not in the prefix, because another file has their name."""

    sdk: Sdk
    layout: str
    doubles: tuple[str, ...]


def take_sdk(
    name: str,
    chosen: Chosen,
    recipe_of: Callable[[str], SdkRecipe],
    facts_of: Callable[[SdkRecipe], str],
    layouts: Sequence[SdkLayout],
    *,
    ws: Workspace,
    undo: ExitStack,
) -> Imported:
    """What was chosen, packed into the cache, and the facts of it. Nothing of the project's is written.

    recipe_of: by the files' digest. undo: takes the archive out of the cache again, unless it was there before.
    """
    with ws.scratch("sdk-tree") as scratch:
        tree, prefix = scratch / "root", scratch / "prefix"
        links = _lay_out(chosen, tree)
        with ws.log.step(f"Reading {len(chosen.files)} files") as step:
            libraries, doubles = libraries_of(tree, chosen.elves)
            binaries = binaries_of(tree, chosen.files, libraries)
            digest = digest_tree(tree)
            step.note = f"{len(libraries)} libraries"
        recipe = recipe_of(digest)
        with ws.log.step(f"Packing {name}"):
            archive = _pack(name, digest, chosen, links, tree, ws, undo)
        lock = SdkLock(
            recipe=facts_of(recipe),
            tree=digest,
            archive=archive,
            files=len(chosen.files),
            size_bytes=sum((tree / file).stat().st_size for file in chosen.files),
            includes=include_folders((*chosen.files, *links), chosen.arch),
            libraries=libraries,
            binaries=binaries,
        )
        write_view(name, recipe, lock, tree, prefix)
        found = recognise(layouts, prefix)
        if found:
            layout, version = found
            lock = msgspec.structs.replace(lock, files_written=layout_files(layout, version or recipe.version, prefix))
            variables = {**layout.cmake_variables, **recipe.cmake_variables}
            recipe = msgspec.structs.replace(recipe, cmake_variables=variables)
    symbols = {library.name: symbols_of(chosen.elves[library.path]) for library in libraries}
    sdk = Sdk(name=name, recipe=recipe, lock=lock, symbols=symbols)
    return Imported(sdk, found[0].title if found else "", tuple(doubles))


def provide_sdk(sdk: Sdk, *, ws: Workspace) -> SdkTree:
    """Its files and its prefix. Raises NotAvailable, VerificationError."""

    def make(folder: Path) -> None:
        fresh = SdkTree(sdk, folder)
        archive = msgspec.structs.replace(sdk.lock.archive, url=sdk.recipe.url)
        what, verb = f"SDK '{sdk.name}'", f"sdk provide {sdk.name}"
        unpack_packed(archive, sdk.lock.tree, fresh.root, what=what, verb=verb, ws=ws)
        write_view(sdk.name, sdk.recipe, sdk.lock, fresh.root, fresh.prefix)

    ws.provide("sdks", sdk.name, sdk_digest(sdk), make, f"Providing SDK {sdk.name}")
    return sdk_tree(sdk, ws)


def sdk_digest(sdk: Sdk) -> str:
    """What its product is known by, and all that a build against it depends on."""
    makers = digest_tree(_HERE, only=_MAKERS)
    facts = [sdk.name, sdk.recipe.title, sdk.recipe.version, sorted(sdk.recipe.cmake_variables.items())]
    return digest_of([facts, msgspec.to_builtins(sdk.lock), makers])


def sdk_tree(sdk: Sdk, ws: Workspace) -> SdkTree:
    """Where it lies once it is provided."""
    return SdkTree(sdk, ws.product("sdks", sdk.name, sdk_digest(sdk)))


def needs_of_bundled(stage: Path, sdks: Sequence[Sdk]) -> dict[str, dict[str, str]]:
    """File of the stage -> what it needs, for those that came out of an SDK: no floor of ours is about them."""
    libraries = {library.sha256 for sdk in sdks for library in sdk.lock.libraries}
    elves = read_elves(stage) if libraries else ()
    return {elf.name: highest_versions(elf) for elf in elves if sha256_file(stage / elf.name) in libraries}


def lacking(sdk: Sdk, backends: Mapping[str, BackendFunctions]) -> tuple[Lacking, ...]:
    """What our backends call and its libraries do not export; of backends that open one of them."""
    return tuple(
        _compare(backend, library, functions, sdk.symbols[library])
        for backend, libraries in backends.items()
        for glob, functions in libraries.items()
        for library in sorted(sdk.symbols)
        if fnmatchcase(library, glob)
    )


def _compare(backend: str, library: str, functions: Sequence[str], symbols: frozenset[str]) -> Lacking:
    exported = {symbol.partition("@")[0] for symbol in symbols}
    absent = [each for each in functions if each.removesuffix("?") not in exported]
    return Lacking(
        backend=backend,
        library=library,
        missing=tuple(each for each in absent if not each.endswith("?")),
        optional=tuple(each.removesuffix("?") for each in absent if each.endswith("?")),
    )


def _lay_out(chosen: Chosen, tree: Path) -> dict[str, str]:
    """The chosen files below `tree`, and links as they lie there. Returns what the links hold."""
    for file in chosen.files:
        place = tree / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(chosen.root / file, place)
        place.chmod(0o755 if (chosen.root / file).stat().st_mode & 0o100 else 0o644)
    links: dict[str, str] = {}
    for link, target in chosen.links.items():
        place = tree / link
        place.parent.mkdir(parents=True, exist_ok=True)
        links[link] = posixpath.relpath(target, posixpath.dirname(link) or ".")
        place.symlink_to(links[link])
    return links


def _pack(
    name: str, digest: str, chosen: Chosen, links: Mapping[str, str], tree: Path, ws: Workspace, undo: ExitStack
) -> Download:
    folders = {parent for file in (*chosen.files, *links) for parent in _parents(file)}
    members = [PackedFile(folder) for folder in sorted(folders)]
    for place in sorted((*chosen.files, *links)):
        if place in links:
            members.append(PackedFile(place, link=links[place]))
        else:
            executable = os.access(tree / place, os.X_OK)
            members.append(PackedFile(place, content=tree / place, executable=executable))
    return pack(f"{name}-{digest[:12]}.tar.zst", _TOP, members, packer="zstd", ws=ws, undo=undo)


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
