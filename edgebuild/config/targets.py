"""Target rows by name, alias or family, with everything they name; all errors at once."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from edgebuild.config.contracts import load_contract
from edgebuild.config.images import load_image_recipe, sysroot_of
from edgebuild.config.recipes import find_recipe
from edgebuild.config.yaml import did_you_mean, load_yaml
from edgebuild.digest import digest_of, sha256_file
from edgebuild.errors import ConfigError, ConfigErrors
from edgebuild.model.arch import ArchName
from edgebuild.model.contract import Contract
from edgebuild.model.elf import parse_version
from edgebuild.model.recipe import (
    BuildTool,
    Download,
    RuntimeRecipe,
    SysrootLock,
    SysrootRecipe,
    ToolchainLock,
    ToolchainRecipe,
)
from edgebuild.model.target import ImageSpec, PythonSpec, TargetRow, TargetSpec
from edgebuild.workspace import Workspace

T = TypeVar("T")
R = TypeVar("R", ToolchainRecipe, SysrootRecipe)
L = TypeVar("L", ToolchainLock, SysrootLock)
_ROWS = Path(__file__).resolve().parent.parent / "targets"


def row_names() -> tuple[str, ...]:
    """Every row, by glob: the files are the list."""
    return tuple(sorted(path.stem for path in _ROWS.glob("*.yaml")))


def load_row(name: str) -> TargetRow:
    return load_yaml(_ROWS / f"{name}.yaml", TargetRow)


def resolve_names(pattern: str, *, where: str = "--target") -> tuple[str, ...]:
    """Rows meant by a name, an alias, or a family such as 'generic-*'. where: for messages. Raises ConfigError."""
    names = row_names()
    if pattern in names:
        return (pattern,)
    aliases = {alias: name for name in names for alias in load_row(name).alias}
    if pattern in aliases:
        return (aliases[pattern],)
    if family := tuple(fnmatch.filter(names, pattern)) if "*" in pattern else ():
        return family
    hint = did_you_mean(pattern, (*names, *aliases))
    msg = f"{where}: no target named '{pattern}'"
    raise ConfigError(msg, f"{hint}`edgebuild targets` lists all {len(names)}.")


def load_target(name: str, ws: Workspace) -> TargetSpec:
    """A row and all it names. Raises ConfigErrors with every problem found."""
    errors: list[ConfigError] = []

    def attempt(load: Callable[[], T]) -> T | None:
        try:
            return load()
        except ConfigError as err:
            errors.append(err)
            return None

    row = load_row(name)
    provided = attempt(lambda: load_contract(row.contract, ws, where=f"{name}.yaml: contract"))
    toolchain = attempt(lambda: load_toolchain(row.toolchain, ws))
    sysroots = {wish: attempt(partial(load_sysroot, wish, ws)) for wish in row.roots}
    library_sources = attempt(partial(load_yaml, ws.core_source / "recipes" / "sources.yaml", tuple[Download, ...]))
    contract = provided.contract if provided else None
    if contract and toolchain and (beyond := floor_beyond(toolchain[0], contract)):
        errors.append(ConfigError(f"{name}.yaml: toolchain '{row.toolchain}' {beyond}"))
    for wish, pair in sysroots.items():
        if pair and contract and pair[0].arch != contract.arch:
            msg = f"{name}.yaml: sysroot '{wish}' is for {pair[0].arch}, contract '{row.contract}' for {contract.arch}"
            errors.append(ConfigError(msg))
    runtimes = {backend: attempt(partial(load_runtime, backend, ws)) for backend in row.backends}
    tools = attempt(partial(load_tools, ws))
    image = attempt(partial(load_image, row.image, contract.arch, ws)) if row.image and contract else None
    if errors:
        raise ConfigErrors(errors)
    assert provided and contract and toolchain and library_sources
    return TargetSpec(
        name=name,
        row=row,
        contract=contract,
        symbols=provided.symbols,
        toolchain=toolchain[0],
        toolchain_lock=toolchain[1],
        sysroots=(loaded := {wish: pair for wish, pair in sysroots.items() if pair}),
        runtimes={backend: runtime for backend, runtime in runtimes.items() if runtime},
        tools=tools or (),
        pythons=wheel_pythons(contract, loaded),
        library_sources=library_sources,
        image=image,
    )


def floor_beyond(toolchain: ToolchainRecipe, contract: Contract) -> str:
    """ "links for glibc 2.28, ...", where the box has less than everything is linked for; "" where it fits."""
    if contract.glibc is None or parse_version(toolchain.floor) <= parse_version(contract.glibc):
        return ""
    return f"links for glibc {toolchain.floor}, '{contract.title}' has {contract.glibc}"


def wheel_pythons(
    contract: Contract, sysroots: Mapping[str, tuple[SysrootRecipe, SysrootLock]]
) -> tuple[PythonSpec, ...]:
    """Pythons of the contract, each with the first of these sysroots that has its development package."""
    found = []
    for python in contract.pythons or ():
        package = f"libpython{python.version}-dev_"
        carriers = (
            name for name, (_, lock) in sysroots.items() if any(p.file.startswith(package) for p in lock.packages)
        )
        if headers := next(carriers, ""):
            found.append(PythonSpec(version=python.version, headers=headers))
    return tuple(found)


def load_toolchain(name: str, ws: Workspace) -> tuple[ToolchainRecipe, ToolchainLock]:
    """Recipe and lock; a lock made from another recipe is refused."""
    return _with_lock("toolchains", name, ToolchainRecipe, ToolchainLock, "toolchain", ws)


def load_sysroot(name: str, ws: Workspace) -> tuple[SysrootRecipe, SysrootLock]:
    """Recipe and lock; a lock made from another recipe is refused."""
    return _with_lock("sysroots", name, SysrootRecipe, SysrootLock, "sysroot", ws)


def load_image(name: str, arch: ArchName, ws: Workspace) -> ImageSpec:
    """The container base of this name for an architecture."""
    recipe = load_image_recipe(name, ws)
    _, lock = load_sysroot(sysroot_of(name, recipe, arch), ws)
    return ImageSpec(name=name, recipe=recipe, lock=lock)


def load_runtime(backend: str, ws: Workspace) -> RuntimeRecipe:
    """A backend without runtime.yaml bundles nothing: its libraries are the box's own."""
    folder = ws.core_source / "backends" / backend
    if not (folder / "CMakeLists.txt").is_file():  # without one it holds what several modules share
        known = tuple(sorted(path.parent.name for path in folder.parent.glob("*/CMakeLists.txt")))
        msg = f"backends: no backend named '{backend}' (cpp_core/backends/{backend}/)"
        raise ConfigError(msg, did_you_mean(backend, known) + f"there are: {', '.join(known)}.")
    recipe = folder / "runtime.yaml"
    return load_yaml(recipe, RuntimeRecipe) if recipe.is_file() else RuntimeRecipe(bundle=())


def load_tools(ws: Workspace) -> tuple[BuildTool, ...]:
    """What the compilation of any backend calls, by name; two that mean different things by one name are refused."""
    found: dict[str, tuple[BuildTool, Path]] = {}
    for path in sorted((ws.core_source / "backends").glob("*/runtime.yaml")):
        for tool in load_yaml(path, RuntimeRecipe).tools:
            known, elsewhere = found.setdefault(tool.name, (tool, path))
            if known != tool:
                msg = f"{path}: tools: {tool.name} is {tool.version} here, but another file or version in {elsewhere}"
                raise ConfigError(msg, "give one of the two another name, or both the same wheels.")
    return tuple(tool for _, (tool, _) in sorted(found.items()))


def recipe_digest(path: Path) -> str:
    """What a lock records of the recipe it was made from."""
    return digest_of(sha256_file(path))


def _with_lock(room: str, name: str, recipe_kind: type[R], lock_kind: type[L], verb: str, ws: Workspace) -> tuple[R, L]:
    path = find_recipe(room, name, ws)
    lock_path = path.with_suffix(".lock")
    remedy = f"`edgebuild {verb} lock {name}` makes a new one."
    if not lock_path.is_file():
        msg = f"{lock_path}: missing"
        raise ConfigError(msg, remedy)
    recipe, lock = load_yaml(path, recipe_kind), load_yaml(lock_path, lock_kind)
    if lock.recipe != recipe_digest(path):
        msg = f"{lock_path}: no longer matches {path.name}, which has changed since"
        raise ConfigError(msg, remedy)
    return recipe, lock
