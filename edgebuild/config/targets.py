"""Target rows by name, alias or family, with everything they name; all errors at once."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from edgebuild.config.contracts import find_contract, load_contract
from edgebuild.config.images import load_image_recipe, sysroot_of
from edgebuild.config.recipes import find_recipe, load_toolchain_recipe
from edgebuild.config.yaml import did_you_mean, load_yaml
from edgebuild.digest import digest_of, sha256_file
from edgebuild.errors import ConfigError, ConfigErrors
from edgebuild.model.arch import ArchName
from edgebuild.model.contract import Contract
from edgebuild.model.elf import parse_version
from edgebuild.model.project import ToolchainWish
from edgebuild.model.recipe import (
    BuildTool,
    ClangRecipe,
    Download,
    GccRecipe,
    RuntimeRecipe,
    SysrootLock,
    SysrootRecipe,
    ToolchainLock,
    ToolchainRecipe,
    ZigRecipe,
)
from edgebuild.model.target import ImageSpec, PythonSpec, SysrootSpec, TargetRow, TargetSpec, ToolchainSpec
from edgebuild.workspace import Workspace

T = TypeVar("T")
R = TypeVar("R")
L = TypeVar("L", ToolchainLock, SysrootLock)
_ROWS = Path(__file__).resolve().parent.parent / "targets"
_OTHER_SYSROOT = "name one for that architecture; `edgebuild sysroot list` says which there are."


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


def row_kinds(ws: Workspace) -> dict[str, Contract]:
    """The contract of every row, as far as its YAML goes: without symbols."""
    contracts = {name: load_row(name).contract for name in row_names()}
    return {
        name: load_yaml(find_contract(contract, ws, where=f"{name}.yaml: contract"), Contract)
        for name, contract in contracts.items()
    }


def rows_like(found: Contract, kinds: Mapping[str, Contract]) -> tuple[str, ...]:
    """Rows whose boxes look like the probed one; where it bears nobody's signs, those that are for any box like it.

    kinds: of row_kinds().
    """
    if alike := tuple(name for name, kind in kinds.items() if found.bears_signs_of(kind)):
        return alike
    return tuple(name for name, kind in kinds.items() if not kind.signs and found.is_at_least(kind))


def load_target(name: str, ws: Workspace, *, wished: ToolchainWish | None = None, where: str = "") -> TargetSpec:
    """A row and all it names. Raises ConfigErrors with every problem found.

    wished: another toolchain than the row's. where: who wishes it, for messages.
    """
    errors: list[ConfigError] = []

    def attempt(load: Callable[[], T]) -> T | None:
        try:
            return load()
        except ConfigError as err:
            errors.append(err)
            return None

    row = load_row(name)
    provided = attempt(lambda: load_contract(row.contract, ws, where=f"{name}.yaml: contract"))
    wish = wished or ToolchainWish(name=row.toolchain, sysroot=row.sysroot)
    toolchain = attempt(lambda: toolchain_spec(wish, ws, row_sysroot=row.sysroot, where=where or f"{name}.yaml"))
    sysroots = {root: attempt(partial(load_sysroot, root, ws)) for root in row.roots}
    library_sources = attempt(partial(load_yaml, ws.core_source / "recipes" / "sources.yaml", tuple[Download, ...]))
    contract = provided.contract if provided else None
    if contract and toolchain:
        errors += toolchain_problems(toolchain, contract, where or f"{name}.yaml")
    for root, pair in sysroots.items():
        if pair and contract and pair[0].arch != contract.arch:
            msg = f"{name}.yaml: sysroot '{root}' is for {pair[0].arch}, contract '{row.contract}' for {contract.arch}"
            errors.append(ConfigError(msg, _OTHER_SYSROOT))
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
        toolchain=toolchain,
        sysroots=(loaded := {root: pair for root, pair in sysroots.items() if pair}),
        runtimes={backend: runtime for backend, runtime in runtimes.items() if runtime},
        tools=tools or (),
        pythons=wheel_pythons(contract, loaded),
        library_sources=library_sources,
        image=image,
    )


def toolchain_problems(toolchain: ToolchainSpec, contract: Contract, where: str) -> Iterator[ConfigError]:
    """What keeps a toolchain from compiling for a box at all."""
    recipe, name = toolchain.recipe, f"{where}: toolchain '{toolchain.name}'"
    arches = (recipe.arch,) if isinstance(recipe, GccRecipe) else tuple(recipe.cpu)
    if contract.arch not in arches:
        msg = f"{name} compiles for {', '.join(arches)}, '{contract.title}' is {contract.arch}"
        yield ConfigError(msg, "`edgebuild toolchain list` says which compiles for what.")
    if toolchain.sysroot and toolchain.sysroot.recipe.arch != contract.arch:
        found = toolchain.sysroot.recipe.arch
        msg = f"{where}: sysroot '{toolchain.sysroot.name}' is for {found}, not for {contract.arch}"
        yield ConfigError(msg, _OTHER_SYSROOT)
    # A floor that is chosen is what everything gets. Where a C library is given instead, only the audit can say which
    # of its versions the program asks for: against glibc 2.31 most programs for arm64 need 2.17.
    if isinstance(recipe, ZigRecipe) and glibc_beyond(toolchain, contract):
        msg = f"{name} links for glibc {recipe.floor}, '{contract.title}' has {contract.glibc}"
        yield ConfigError(msg, "a toolchain with a lower floor is needed; `edgebuild toolchain list` shows floors.")


def glibc_beyond(toolchain: ToolchainSpec, contract: Contract) -> bool:
    """Whether the toolchain links against a newer C library than the box has."""
    return contract.glibc is not None and parse_version(toolchain.glibc) > parse_version(contract.glibc)


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
    return _with_lock("toolchains", name, load_toolchain_recipe, ToolchainLock, "toolchain", ws)


def toolchain_spec(wish: ToolchainWish, ws: Workspace, *, row_sysroot: str = "", where: str = "") -> ToolchainSpec:
    """A toolchain with the sysroot that it is wished with, or that the row has, and what compiles for this machine.

    Raises ConfigError where a sysroot is missing, or named for a toolchain that has a C library of its own.
    """
    recipe, lock = load_toolchain(wish.name, ws)
    if isinstance(recipe, ClangRecipe):
        name = wish.sysroot or row_sysroot
        if not name:
            msg = f"{where}: toolchain '{wish.name}' has no C library of its own, and no sysroot is named"
            raise ConfigError(msg, "say what it compiles against: `sysroot: NAME`; `edgebuild sysroot list` has them.")
        sysroot = load_sysroot_spec(name, ws)
        host = toolchain_spec(ToolchainWish(name=recipe.host), ws)
        return ToolchainSpec(name=wish.name, recipe=recipe, lock=lock, sysroot=sysroot, host=host)
    if wish.sysroot:
        # A GCC that is given one takes C++ headers and libraries of its own with it all the same.
        msg = f"{where}: toolchain '{wish.name}' has a C library of its own, and takes no sysroot '{wish.sysroot}'"
        raise ConfigError(msg, "leave `sysroot` out, or use a toolchain of kind `clang`.")
    its_host = toolchain_spec(ToolchainWish(name=recipe.host), ws) if isinstance(recipe, GccRecipe) else None
    return ToolchainSpec(name=wish.name, recipe=recipe, lock=lock, host=its_host)


def load_sysroot(name: str, ws: Workspace) -> tuple[SysrootRecipe, SysrootLock]:
    """Recipe and lock; a lock made from another recipe is refused."""
    return _with_lock("sysroots", name, lambda path: load_yaml(path, SysrootRecipe), SysrootLock, "sysroot", ws)


def load_sysroot_spec(name: str, ws: Workspace) -> SysrootSpec:
    recipe, lock = load_sysroot(name, ws)
    return SysrootSpec(name=name, recipe=recipe, lock=lock)


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


def _with_lock(
    room: str, name: str, load: Callable[[Path], R], lock_kind: type[L], verb: str, ws: Workspace
) -> tuple[R, L]:
    path = find_recipe(room, name, ws)
    lock_path = path.with_suffix(".lock")
    remedy = f"`edgebuild {verb} lock {name}` makes a new one."
    if not lock_path.is_file():
        msg = f"{lock_path}: missing"
        raise ConfigError(msg, remedy)
    recipe, lock = load(path), load_yaml(lock_path, lock_kind)
    if lock.recipe != recipe_digest(path):
        msg = f"{lock_path}: no longer matches {path.name}, which has changed since"
        raise ConfigError(msg, remedy)
    return recipe, lock
