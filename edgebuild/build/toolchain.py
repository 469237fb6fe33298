"""Every kind of toolchain behind one function: what makes it, what warms it, what locks it."""

from __future__ import annotations

from collections.abc import Callable

from edgebuild.build.toolchain_clang import provide_clang
from edgebuild.build.toolchain_gcc import provide_gcc
from edgebuild.build.toolchain_wheels import lock_wheels
from edgebuild.build.toolchain_zig import provide_zig, warm_zig
from edgebuild.errors import ConfigError
from edgebuild.model.arch import Arch, host_arch
from edgebuild.model.product import Toolchain
from edgebuild.model.recipe import ClangRecipe, GccRecipe, ToolchainLock, ToolchainRecipe, ZigRecipe
from edgebuild.model.target import ToolchainSpec
from edgebuild.run import Runner
from edgebuild.workspace import Workspace

_MAKERS = {ZigRecipe: provide_zig, ClangRecipe: provide_clang, GccRecipe: provide_gcc}
_WARMERS: dict[type, Callable[..., None]] = {ZigRecipe: warm_zig}  # a compiler of libraries that are there needs none


def provide_toolchain(spec: ToolchainSpec, arch: Arch, *, ws: Workspace, run: Runner) -> Toolchain:
    """Compilers for one architecture, ready to be fast.

    Raises ConfigError (not for this architecture), NotAvailable, VerificationError or BuildError.
    """
    toolchain = _make(spec, arch, ws=ws, run=run)
    if warm := _WARMERS.get(type(spec.recipe)):
        warm(toolchain, ws=ws, run=run)
    return toolchain


def lock_toolchain(name: str, recipe: ToolchainRecipe, recipe_digest: str, *, ws: Workspace) -> ToolchainLock:
    """What a recipe resolves to now. Raises ConfigError for a kind that only an import makes, NotAvailable."""
    if isinstance(recipe, GccRecipe):
        msg = f"toolchain '{name}' was imported, so there is nothing to resolve"
        raise ConfigError(msg, f"`edgebuild toolchain import {recipe.source} --as {name}` imports it again.")
    return lock_wheels(recipe.wheels, recipe_digest, ws=ws)


def _make(spec: ToolchainSpec, arch: Arch, *, ws: Workspace, run: Runner) -> Toolchain:
    host = _make(spec.host, host_arch(), ws=ws, run=run) if spec.host else None
    return _MAKERS[type(spec.recipe)](spec, arch, host, ws=ws, run=run)
