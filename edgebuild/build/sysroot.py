"""A distribution's userland as files: packages by sha256, unpacked without running anything of theirs; or what was
imported from a box, out of the one archive that its lock names.
"""

from __future__ import annotations

import re
from pathlib import Path

from edgebuild.apt import resolve
from edgebuild.build.pack import unpack_packed
from edgebuild.digest import digest_of
from edgebuild.errors import ConfigError
from edgebuild.fetch import fetch_all, keep_file
from edgebuild.model.arch import ARCHES
from edgebuild.model.product import Sysroot
from edgebuild.model.recipe import Download, SysrootLock, SysrootRecipe
from edgebuild.run import Runner
from edgebuild.unpack import compile_globs, make_merged_usr, unpack_deb
from edgebuild.workspace import Workspace

# Counts up when the same packages unpack to another tree than before.
_LAYOUT = 1
_LIBC = re.compile(r"^libc6_(?:\d+:)?(?P<version>[^-_]+)")


def lock_sysroot(recipe: SysrootRecipe, recipe_digest: str, *, ws: Workspace, run: Runner) -> SysrootLock:
    """The recipe's packages and all they need, as the mirror has them now. Raises NotAvailable."""
    packages = tuple(resolve(recipe.packages, recipe.suite, ARCHES[recipe.arch], ws=ws, run=run))
    return SysrootLock(recipe=recipe_digest, glibc=glibc_version(packages), packages=packages)


def glibc_version(packages: tuple[Download, ...]) -> str:
    """Of the C library among the packages, "2.31"."""
    for package in packages:
        if match := _LIBC.match(package.file):
            return match["version"]
    msg = "the packages contain no C library (libc6), so nothing could run in this sysroot"
    raise ConfigError(msg, "add libc6 to the recipe's packages.")


def sysroot_digest(recipe: SysrootRecipe, lock: SysrootLock) -> str:
    """What a sysroot's product is known by."""
    if lock.imported:
        return digest_of([_LAYOUT, recipe.arch, lock.imported.tree])
    return digest_of([_LAYOUT, recipe.arch, recipe.drop, [package.sha256 for package in lock.packages]])


def provide_sysroot(name: str, recipe: SysrootRecipe, lock: SysrootLock, *, ws: Workspace) -> Sysroot:
    """The unpacked files: usr-merged, all links relative, safe to move. Raises NotAvailable, VerificationError."""
    digest = sysroot_digest(recipe, lock)

    def make(root: Path) -> None:
        if lock.imported:
            what, verb = f"sysroot '{name}'", f"sysroot provide {name}"
            unpack_packed(lock.imported.archive, lock.imported.tree, root, what=what, verb=verb, ws=ws)
        else:
            _unpack_packages(name, recipe, lock, root, ws=ws)

    root = ws.provide("sysroots", name, digest, make, f"Providing sysroot {name}")
    return Sysroot(name=name, digest=digest, arch=ARCHES[recipe.arch], glibc=lock.glibc, root=root)


def keep_archive(name: str, file: Path, lock: SysrootLock, *, ws: Workspace) -> None:
    """Puts an imported sysroot's archive, as another machine has made it, into the cache.

    Raises ConfigError, VerificationError.
    """
    if not lock.imported:
        msg = f"sysroot '{name}' is made from packages, not from an archive"
        raise ConfigError(msg, "leave out --archive.")
    keep_file(file, lock.imported.archive, ws=ws)


def _unpack_packages(name: str, recipe: SysrootRecipe, lock: SysrootLock, root: Path, *, ws: Workspace) -> None:
    size_mb = sum(package.size_bytes for package in lock.packages) / 1e6
    with ws.log.step(f"Fetching {len(lock.packages)} packages of {name} ({size_mb:.0f} MB)") as step:
        debs = fetch_all(lock.packages, ws=ws, step=step)
    drop = compile_globs(recipe.drop)
    make_merged_usr(root)
    with ws.log.step(f"Unpacking {len(debs)} packages of {name}") as step:
        for done, deb in enumerate(debs):
            step.progress(done, len(debs), "packages")
            unpack_deb(deb, root, drop=drop)
    _remove_empty_folders(root)


def _remove_empty_folders(root: Path) -> None:
    """What `drop` emptied. Only below share: elsewhere an empty folder may be the target of a link."""
    for folder in sorted((root / "usr/share").rglob("*"), reverse=True):
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()
