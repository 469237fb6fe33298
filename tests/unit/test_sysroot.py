"""A sysroot is its locked packages, unpacked: nothing less, nothing of this machine, the same folder every time."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from edgebuild.build.sysroot import glibc_version, lock_sysroot, provide_sysroot
from edgebuild.commands import sysroot as sysroot_commands
from edgebuild.commands.context import Context
from edgebuild.config.recipes import save_lock
from edgebuild.config.targets import load_sysroot, recipe_digest
from edgebuild.errors import ConfigError, NotAvailable, VerificationError
from edgebuild.fetch import cached_path
from edgebuild.model.recipe import Download, SysrootLock, SysrootRecipe
from edgebuild.run import Command, Completed
from edgebuild.workspace import Workspace
from tests.unit.test_unpack import LINK, make_deb, member, special
from tests.web import WebServer

RECIPE = SysrootRecipe(
    title="Acme", distribution="debian", suite="bullseye", arch="aarch64", packages=("acme",), drop=("usr/share/doc/*",)
)


def never(command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
    raise AssertionError(command)


@pytest.fixture
def lock(web: WebServer, tmp_path: Path) -> SysrootLock:
    """One package, served by the web server."""
    deb = make_deb(
        tmp_path,
        member("./lib/a/libc.so.6", b"c"),
        special("./usr/lib/a/libc.so", LINK, "/lib/a/libc.so.6"),
        member("./usr/share/doc/libc6/copyright", b"terms"),
    ).read_bytes()
    web.files["/libc6.deb"] = deb
    package = Download(
        file="libc6_2.31-13+deb11u11_arm64.deb",
        sha256=hashlib.sha256(deb).hexdigest(),
        size_bytes=len(deb),
        url=web.url("/libc6.deb"),
    )
    return SysrootLock(recipe="0" * 64, glibc="2.31", packages=(package,))


def test_the_packages_become_a_merged_root(lock: SysrootLock, ws: Workspace) -> None:
    sysroot = provide_sysroot("acme", RECIPE, lock, ws=ws)
    assert (sysroot.glibc, sysroot.arch.name) == ("2.31", "aarch64")
    assert (sysroot.root / "lib/a/libc.so").read_bytes() == b"c"
    assert not (sysroot.root / "usr/lib/a/libc.so").readlink().is_absolute()
    assert list((sysroot.root / "usr").glob("share/*")) == []


def test_a_second_time_nothing_is_fetched(lock: SysrootLock, ws: Workspace, web: WebServer) -> None:
    first = provide_sysroot("acme", RECIPE, lock, ws=ws)
    web.asked.clear()
    assert provide_sysroot("acme", RECIPE, lock, ws=replace(ws, offline=True)) == first
    assert web.asked == []


@pytest.mark.parametrize(
    "other", [msgspec.structs.replace(RECIPE, drop=()), msgspec.structs.replace(RECIPE, arch="x86_64")]
)
def test_another_recipe_is_another_folder(lock: SysrootLock, ws: Workspace, other: SysrootRecipe) -> None:
    first, second = (provide_sysroot("acme", recipe, lock, ws=ws) for recipe in (RECIPE, other))
    assert first.root != second.root
    assert first.digest != second.digest


def test_a_title_changes_nothing(lock: SysrootLock, ws: Workspace) -> None:
    renamed = msgspec.structs.replace(RECIPE, title="Other")
    assert provide_sysroot("acme", renamed, lock, ws=ws) == provide_sysroot("acme", RECIPE, lock, ws=ws)


def test_a_changed_package_is_refused_and_leaves_no_root(lock: SysrootLock, ws: Workspace, web: WebServer) -> None:
    web.files["/libc6.deb"] += b"!"
    with pytest.raises(VerificationError, match="but the lock says"):
        provide_sysroot("acme", RECIPE, lock, ws=ws)
    assert not (ws.cache / "sysroots").exists()


def test_a_package_that_the_mirror_dropped_says_how_to_go_on(
    lock: SysrootLock, ws: Workspace, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebuild.fetch.debian_mirror", lambda _suite: web.url("/debian"))
    gone = msgspec.structs.replace(lock.packages[0], url="", apt="pool/libc6.deb", suite="bullseye")
    with pytest.raises(NotAvailable, match="gone from its source") as caught:
        provide_sysroot("acme", RECIPE, msgspec.structs.replace(lock, packages=(gone,)), ws=ws)
    assert "sysroot lock NAME --refresh" in caught.value.hint


def test_a_damaged_package_leaves_no_half_root(lock: SysrootLock, ws: Workspace, web: WebServer) -> None:
    half = web.files["/libc6.deb"][:200]
    damaged = msgspec.structs.replace(lock.packages[0], sha256=hashlib.sha256(half).hexdigest())
    web.files["/libc6.deb"] = half
    with pytest.raises(VerificationError, match="damaged archive"):
        provide_sysroot("acme", RECIPE, msgspec.structs.replace(lock, packages=(damaged,)), ws=ws)
    assert not (ws.cache / "sysroots").exists()
    assert list((ws.cache / "work").iterdir()) == []


def test_the_lock_states_the_c_library(lock: SysrootLock, ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebuild.build.sysroot.resolve", lambda *_, **__: list(lock.packages))
    assert lock_sysroot(RECIPE, "0" * 64, ws=ws, run=never) == lock


def test_packages_without_a_c_library_are_no_sysroot() -> None:
    with pytest.raises(ConfigError, match="no C library"):
        glibc_version((Download(file="libc6-dev_2.31-13_arm64.deb", sha256="0" * 64),))


def write_recipe(ws: Workspace, lock: SysrootLock) -> Path:
    """The project's own sysroot "acme", with a lock that fits."""
    recipe = ws.project / "sysroots/acme.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("{title: Acme, distribution: debian, suite: bullseye, arch: aarch64, packages: [acme]}\n")
    fitting = msgspec.structs.replace(lock, recipe=recipe_digest(recipe))
    save_lock(recipe.with_suffix(".lock"), fitting, made_by="edgebuild sysroot lock acme")
    return recipe


def test_a_lock_that_was_written_reads_back_the_same(lock: SysrootLock, ws: Workspace) -> None:
    recipe = write_recipe(ws, lock)
    found = load_sysroot("acme", ws)[1]
    assert found == msgspec.structs.replace(lock, recipe=recipe_digest(recipe))


def test_a_lock_of_another_recipe_is_refused_with_the_remedy(lock: SysrootLock, ws: Workspace) -> None:
    recipe = write_recipe(ws, lock)
    recipe.write_text(recipe.read_text().replace("Acme", "Other"))
    with pytest.raises(ConfigError, match=r"no longer matches acme\.yaml") as caught:
        load_sysroot("acme", ws)
    assert "`edgebuild sysroot lock acme`" in caught.value.hint


def test_lock_keeps_what_fits_unless_refreshed(
    lock: SysrootLock, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_recipe(ws, lock).with_suffix(".lock")
    before = file.read_text()
    newer = msgspec.structs.replace(lock.packages[0], file="libc6_2.31-14_arm64.deb")
    monkeypatch.setattr("edgebuild.build.sysroot.resolve", lambda *_, **__: [newer])
    context = Context(ws, never)
    assert CliRunner().invoke(sysroot_commands.command, ["lock", "acme"], obj=context).exit_code == 0
    assert file.read_text() == before
    assert CliRunner().invoke(sysroot_commands.command, ["lock", "acme", "--refresh"], obj=context).exit_code == 0
    assert load_sysroot("acme", ws)[1].packages == (newer,)


def test_path_prints_what_is_there_and_never_makes_it(lock: SysrootLock, ws: Workspace) -> None:
    write_recipe(ws, lock)
    context = Context(ws, never)
    absent = CliRunner().invoke(sysroot_commands.command, ["path", "acme"], obj=context)
    assert isinstance(absent.exception, NotAvailable)
    assert not cached_path(lock.packages[0], ws).exists()
    provided = CliRunner().invoke(sysroot_commands.command, ["provide", "acme"], obj=context)
    assert CliRunner().invoke(sysroot_commands.command, ["path", "acme"], obj=context).output == provided.output
