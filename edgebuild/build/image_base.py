"""The lowest layer of an image: a distribution's runtime libraries and their licences, with nothing to run in it."""

from __future__ import annotations

import shutil
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgebuild.audit.render import render_findings
from edgebuild.digest import digest_of
from edgebuild.elf import read_elves
from edgebuild.errors import AuditError, ConfigError
from edgebuild.fetch import fetch_all
from edgebuild.model.arch import ARCHES, ArchName
from edgebuild.model.elf import ElfFacts
from edgebuild.model.finding import Finding
from edgebuild.model.image import ImageBase, ImageRecipe
from edgebuild.model.recipe import Download, SysrootLock
from edgebuild.unpack import make_merged_usr, read_deb_control, unpack_deb
from edgebuild.workspace import Workspace

# Counts up when the same packages make another base than before.
_LAYOUT = 1
_STATUS = Path("var/lib/dpkg/status.d")  # where scanners look for packages of images without a package manager


def image_base_digest(recipe: ImageRecipe, lock: SysrootLock) -> str:
    """What a base's product is known by. Raises ConfigError for a package that the lock lacks."""
    packages = [package.sha256 for package in select_packages(recipe.packages, lock)]
    return digest_of([_LAYOUT, packages, recipe.keep, msgspec.to_builtins(recipe.user), recipe.os_release])


def provide_image_base(
    name: str, recipe: ImageRecipe, arch: ArchName, lock: SysrootLock, *, ws: Workspace
) -> ImageBase:
    """The base as a folder. lock: of the sysroot that the recipe names for this architecture.

    Raises ConfigError, NotAvailable, VerificationError, and AuditError when its libraries need what is not in it.
    """
    digest = image_base_digest(recipe, lock)
    packages = select_packages(recipe.packages, lock)

    def make(root: Path) -> None:
        with ws.log.step(f"Fetching {len(packages)} packages of {name}") as step:
            debs = fetch_all(packages, ws=ws, step=step)
        with ws.scratch(name) as scratch:
            make_merged_usr(scratch)
            for deb in debs:
                unpack_deb(deb, scratch)
            _keep(scratch, recipe.keep, root)
        for package, deb in zip(packages, debs, strict=True):
            _write(root / _STATUS / package_name(package), read_deb_control(deb))
        _write_accounts(root, recipe)

    root = ws.provide("images", f"{name}-{ARCHES[arch].debian}", digest, make, f"Providing image base {name}")
    base = ImageBase(name=name, digest=digest, arch=ARCHES[arch], root=root, user=recipe.user, elves=read_elves(root))
    if findings := audit_base(base.elves, ARCHES[arch].loader):
        msg = f"image base '{name}' is not whole for {arch}\n{render_findings(findings)}"
        raise AuditError(msg, f"add the package to images/{name}.yaml, or let `keep` keep the library.")
    return base


def select_packages(names: Sequence[str], lock: SysrootLock) -> list[Download]:
    """The locked packages of these names, in their order. Raises ConfigError."""
    known = {package_name(package): package for package in lock.packages}
    if missing := [name for name in names if name not in known]:
        msg = f"packages: {', '.join(missing)}: not in the lock of the sysroot that the base is made from"
        raise ConfigError(msg, "add it to the sysroot's packages and make a new lock.")
    return [known[name] for name in names]


def package_name(package: Download) -> str:
    """ "libstdc++6" of "libstdc++6_12.2.0-14_arm64.deb"."""
    return urllib.parse.unquote(package.file).split("_", 1)[0]


def _keep(whole: Path, globs: Sequence[str], root: Path) -> None:
    """Copies files and links, never folders, so that only what a glob means is in the image. A link that then
    leads nowhere goes: /lib64 where the architecture has none.
    """
    for path in sorted({path for glob in globs for path in whole.glob(glob)}):
        inside = path.relative_to(whole)
        if _below_a_link(whole, inside) or (path.is_dir() and not path.is_symlink()):
            continue
        (root / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, root / inside, follow_symlinks=False)
    for link in [path for path in root.rglob("*") if path.is_symlink() and not path.exists()]:
        link.unlink()


def _below_a_link(whole: Path, inside: Path) -> bool:
    """pathlib's globs walk through links to folders, and would find the same file twice."""
    return any((whole / parent).is_symlink() for parent in inside.parents)


def _write_accounts(root: Path, recipe: ImageRecipe) -> None:
    """What the C library is asked for by programs: who am I, who is root, where do names come from."""
    user = recipe.user
    _write(
        root / "etc/passwd",
        f"root:x:0:0:root:/:/sbin/nologin\n{user.name}:x:{user.uid}:{user.gid}:{user.name}:/state:/sbin/nologin\n",
    )
    _write(root / "etc/group", f"root:x:0:\n{user.name}:x:{user.gid}:\n")
    _write(root / "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    if recipe.os_release:
        lines = (f'{key}="{value}"\n' for key, value in recipe.os_release.items())
        _write(root / "etc/os-release", "".join(lines))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# ---- The gate ----


def audit_base(elves: Sequence[ElfFacts], loader: str) -> tuple[Finding, ...]:
    """What the base's own libraries lack among themselves. They come out of one release, so nodes are compared
    one by one, glibc's internal ones too.
    """
    provided = _by_name(elves)
    findings = []
    if loader not in provided:
        findings.append(Finding(code="A107", file=loader, message="there is no dynamic loader in the base"))
    for elf in elves:
        for library in dict.fromkeys((*elf.needed, *elf.needed_versions)):
            if library not in provided:
                findings.append(Finding(code="A103", file=elf.name, message=f"needs {library}"))
                continue
            for node in sorted({*elf.needed_versions.get(library, {})}.difference(provided[library].defined_versions)):
                findings.append(Finding(code="A102", file=elf.name, message=f"needs {node} of {library}"))
    return tuple(findings)


def _by_name(elves: Sequence[ElfFacts]) -> dict[str, ElfFacts]:
    """SONAME -> library; the SONAME is also what the loader compares with what programs need."""
    return {elf.soname: elf for elf in elves if elf.soname}
