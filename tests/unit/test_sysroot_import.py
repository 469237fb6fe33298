"""A sysroot out of a box's root: the same wherever it is taken from, locked, and refused once it was tampered with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgebuild.build.root_source import FolderRoot
from edgebuild.build.sysroot import provide_sysroot
from edgebuild.build.sysroot_import import receive, survey
from edgebuild.build.sysroot_proof import prove_sysroot
from edgebuild.commands import sysroot as sysroot_commands
from edgebuild.commands.context import Context
from edgebuild.config.targets import load_sysroot
from edgebuild.digest import digest_tree
from edgebuild.errors import BuildError, ConfigError, NotAvailable, VerificationError
from edgebuild.fetch import cached_path
from edgebuild.model.arch import ARCHES
from edgebuild.model.product import Sysroot
from edgebuild.model.rootfile import ImportWish
from edgebuild.run import Command, Completed
from edgebuild.workspace import Workspace
from tests.roots import INTEL, LIB, SMALL, archive, banner, elf, write_root


def never(command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
    raise AssertionError(command)


def call(ws: Workspace, *words: str | Path) -> Result:
    return CliRunner().invoke(sysroot_commands.command, [str(word) for word in words], obj=Context(ws, never))


def imported(ws: Workspace, source: Path, *options: str | Path) -> dict[str, Any]:
    ended = call(ws, "import", source, "--as", "acme", "--no-test", "--json", *options)
    assert ended.exit_code == 0, ended.exception
    return dict(json.loads(ended.stdout))


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return write_root(tmp_path / "box", SMALL)


def tree_of(root: Path, ws: Workspace, wish: ImportWish | None = None) -> str:
    source = FolderRoot(root)
    return receive("acme", source, survey(source, wish or ImportWish(), ws=ws), ws=ws).tree.tree


def test_what_was_imported_is_a_sysroot_like_any_other(box: Path, ws: Workspace) -> None:
    document = imported(ws, box)
    recipe, lock = load_sysroot("acme", ws)
    assert (recipe.distribution, recipe.arch, lock.glibc) == ("imported", "aarch64", "2.31")
    assert recipe.title == f"Acme Linux 4, imported from {box}"
    root = provide_sysroot("acme", recipe, lock, ws=ws).root
    assert digest_tree(root) == document["tree"]
    assert (root / "lib/aarch64-linux-gnu/libc.so.6").read_bytes() == SMALL[f"{LIB}/libc-2.31.so"]
    assert (root / "etc/os-release").read_bytes() == SMALL["usr/lib/os-release"]
    assert call(ws, "path", "acme").stdout.strip() == str(root)
    (line,) = [each for each in call(ws, "list").stdout.splitlines() if each.startswith("acme")]
    assert f"{len([each for each in SMALL.values() if isinstance(each, bytes)])} files" in line


def test_a_split_root_and_a_merged_one_give_the_same_bytes(tmp_path: Path, ws: Workspace) -> None:
    """Debian 11 before and after usr-merge."""
    split = {name.replace("usr/lib/", "lib/") if ".so" in name else name: each for name, each in SMALL.items()}
    split[f"{LIB}/libc.so"] = SMALL[f"{LIB}/libc.so"]
    del split["lib/aarch64-linux-gnu/libc.so"]
    merged = {**SMALL, "lib": "usr/lib"}
    first, second = (write_root(tmp_path / name, files) for name, files in (("split", split), ("merged", merged)))
    assert (first / "lib").is_dir() and not (first / "lib").is_symlink()
    assert tree_of(first, ws) == tree_of(second, ws)


def test_a_second_import_receives_what_has_changed_only(box: Path, ws: Workspace) -> None:
    assert imported(ws, box)["received_bytes"] > 0
    assert imported(ws, box)["received_bytes"] == 0
    (box / "usr/include/new.h").write_text("new\n")
    assert imported(ws, box)["received_bytes"] == 4


def test_a_dry_run_writes_nothing(box: Path, ws: Workspace) -> None:
    document = imported(ws, box, "--dry-run")
    assert document["dry_run"] and document["to_receive_bytes"] > 0 and document["kinds"]["header"]["files"] == 1
    assert not (ws.project / "sysroots").exists()


def test_another_machine_makes_the_same_of_the_archive(box: Path, ws: Workspace, tmp_path: Path) -> None:
    document = imported(ws, box, "--archive", tmp_path / "acme.tar.gz")
    other = replace(ws, cache=tmp_path / "other", offline=True)
    without = call(other, "provide", "acme")
    assert isinstance(without.exception, NotAvailable) and "--archive FILE" in without.exception.hint
    done = call(other, "provide", "acme", "--archive", tmp_path / "acme.tar.gz")
    assert done.exit_code == 0, done.exception
    assert digest_tree(Path(done.stdout.strip())) == document["tree"]


def test_a_changed_archive_is_refused(box: Path, ws: Workspace, tmp_path: Path) -> None:
    packed = tmp_path / "acme.tar.gz"
    imported(ws, box, "--archive", packed)
    content = bytearray(packed.read_bytes())
    content[len(content) // 2] ^= 1
    packed.write_bytes(content)
    other = replace(ws, cache=tmp_path / "other")
    refused = call(other, "provide", "acme", "--archive", packed)
    assert isinstance(refused.exception, VerificationError) and "the lock says" in str(refused.exception)
    assert not (other.cache / "sysroots").exists() and not (other.cache / "downloads").exists()


def test_an_archive_that_changed_in_the_cache_is_refused(box: Path, ws: Workspace, tmp_path: Path) -> None:
    imported(ws, box, "--archive", tmp_path / "acme.tar.gz")
    other = replace(ws, cache=tmp_path / "other")
    place = cached_path(load_sysroot("acme", other)[1].imported.archive, other)  # type: ignore[union-attr]
    place.parent.mkdir(parents=True)
    place.write_bytes((tmp_path / "acme.tar.gz").read_bytes()[:-1] + b"!")
    refused = call(other, "provide", "acme")
    assert isinstance(refused.exception, VerificationError) and not (other.cache / "sysroots").exists()


def test_a_lock_of_another_tree_is_refused(box: Path, ws: Workspace) -> None:
    """Somebody edited the lock: the archive is the named one, but not of this tree."""
    document = imported(ws, box)
    file = ws.project / "sysroots/acme.lock"
    file.write_text(file.read_text().replace(document["tree"], "f" * 64))
    refused = call(ws, "provide", "acme")
    assert isinstance(refused.exception, VerificationError) and "not those that its lock states" in str(
        refused.exception
    )


def test_a_changed_recipe_is_refused(box: Path, ws: Workspace) -> None:
    imported(ws, box)
    file = ws.project / "sysroots/acme.yaml"
    file.write_text(file.read_text().replace("Acme Linux 4", "Acme Linux 5"))
    with pytest.raises(ConfigError, match="no longer matches"):
        load_sysroot("acme", ws)


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("usr/include/stdio.h", "headers of the C library"),
        (f"{LIB}/crt1.o", "start-up files"),
        (f"{LIB}/libc.so", "libc.so"),
        ("usr/lib/gcc/aarch64-linux-gnu/10/libgcc.a", "no files of a compiler"),
        (f"{LIB}/libc-2.31.so", "no glibc"),
    ],
)
def test_a_root_that_cannot_make_a_sysroot_is_told_before_anything_is_sent(
    gone: str, named: str, tmp_path: Path, ws: Workspace
) -> None:
    root = write_root(tmp_path / "box", {name: each for name, each in SMALL.items() if name != gone})
    with pytest.raises(NotAvailable, match=named):
        survey(FolderRoot(root), ImportWish(), ws=ws)


def test_what_does_not_fit_is_left_out_and_told(box: Path, ws: Workspace) -> None:
    write_root(
        box,
        {
            f"{LIB}/libhost.so.1": elf(INTEL),
            f"{LIB}/libhost.so": "libhost.so.1",
            f"{LIB}/libc.a": archive(elf(content=banner("2.27"))),
            f"{LIB}/libfoo.so": "/lib/aarch64-linux-gnu/libfoo.so.9",
            f"{LIB}/libfoo.so.1": elf(content=b"foo"),
        },
    )
    document = imported(ws, box, "--static")
    assert document["foreign"] == [f"{LIB}/libhost.so.1"] and document["stale"] == [f"{LIB}/libc.a"]
    assert document["links_left_out"] == [f"{LIB}/libhost.so"]
    assert document["links_repaired"] == [f"{LIB}/libfoo.so -> {LIB}/libfoo.so.1"]
    root = Path(document["path"])
    assert (root / f"{LIB}/libfoo.so").read_bytes() == elf(content=b"foo")
    assert not (root / f"{LIB}/libc.a").exists() and not (root / f"{LIB}/libhost.so").is_symlink()


def test_folders_of_the_loader_s_configuration_and_of_sdks_are_taken(box: Path, ws: Workspace) -> None:
    write_root(
        box,
        {
            "etc/ld.so.conf": b"include /etc/ld.so.conf.d/*.conf\n",
            "etc/ld.so.conf.d/npu.conf": b"# ours\n/opt/npu/lib\n",
            "opt/npu/lib/libnpu.so.1": elf(content=b"npu"),
            "opt/sdk": "sdk-1.4",
            "opt/sdk-1.4/include/sdk.h": b"sdk",
            "opt/sdk-1.4/doc/manual.pdf": b"pdf",
        },
    )
    root = Path(imported(ws, box, "--also", "/opt/sdk")["path"])
    assert (root / "opt/npu/lib/libnpu.so.1").is_file() and (root / "opt/sdk/include/sdk.h").read_bytes() == b"sdk"
    assert not (root / "opt/sdk/doc").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--as", "debian-11-arm64"), "already, made from packages"),
        (("--as", "../x"), "is not a name"),
        (("--as", "acme", "--also", "/opt/gone"), "there is no /opt/gone"),
    ],
)
def test_wrong_words_are_told(words: tuple[str, ...], message: str, box: Path, ws: Workspace) -> None:
    ended = call(ws, "import", box, *words)
    assert isinstance(ended.exception, ConfigError) and message in str(ended.exception)


def test_an_imported_sysroot_is_not_locked_but_imported_again(box: Path, ws: Workspace) -> None:
    imported(ws, box)
    ended = call(ws, "lock", "acme")
    assert isinstance(ended.exception, ConfigError) and f"import {box} --as acme" in ended.exception.hint


class Compiler:
    """Acts as clang and the emulator. stray: a file that it would take from elsewhere."""

    def __init__(
        self, root: Path, *, stray: str = "", says: str = "C 42 2.31", fails: bool = False, static: bool = False
    ) -> None:
        self.root, self.stray, self.says, self.fails = root, stray, says, fails
        self.libc = "" if static else root / LIB / "libc.so.6"

    def __call__(self, command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
        words = command.argv
        if "-MF" in words:
            if self.fails:
                raise BuildError("clang failed (exit 1)\n  | proof.c:1: 'dlfcn.h' file not found")
            header = self.stray if self.stray.endswith(".h") else f"{self.root}/usr/include/stdio.h"
            Path(words[words.index("-MF") + 1]).write_text(f"proof.c.o: {words[words.index('-c') + 1]} \\\n {header}\n")
            return Completed(0)
        if "-Wl,--trace" in words:
            crt = self.stray if self.stray.endswith(".o") else f"{self.root}/{LIB}/crt1.o"
            return Completed(0, f"{crt}\n{self.root}/{LIB}/libc_nonshared.a(at.oS)\n{self.libc}\n")
        return Completed(0, f"{self.says}\n")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, ""),
        ({"fails": True}, "does not build against it"),
        ({"says": "C 42 2.36"}, "ends with 0 in it: C 42 2.36"),
        ({"stray": "/usr/include/stdio.h"}, "header from outside the sysroot: /usr/include/stdio.h"),
        ({"static": True}, "not linked with a libc.so"),
        ({"stray": "/usr/lib/crt1.o"}, "file from outside the sysroot: /usr/lib/crt1.o"),
    ],
)
def test_the_proof_fails_on_what_is_no_sysroot(
    how: dict[str, Any], message: str, box: Path, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebuild.build.sysroot_proof.find_emulator", lambda _: Path("qemu"))
    sysroot = Sysroot(name="acme", digest="d", arch=ARCHES["aarch64"], glibc="2.31", root=box)
    (box / "lib").symlink_to("usr/lib")
    if not message:
        assert prove_sysroot(sysroot, box.parent, ws=ws, run=Compiler(box)).languages == ("C",)
        return
    with pytest.raises(VerificationError, match=message):
        prove_sysroot(sysroot, box.parent, ws=ws, run=Compiler(box, **how))


def test_of_two_c_libraries_the_one_to_link_with_counts(box: Path, ws: Workspace) -> None:
    """A foreign architecture's runtime, as a multiarch box has it, comes first by name and has no start-up files."""
    write_root(box, {"usr/lib/a-linux-gnu/libc.so.6": elf(INTEL, banner("2.36"))})
    found = survey(FolderRoot(box), ImportWish(), ws=ws)
    assert (found.arch.name, found.glibc) == ("aarch64", "2.31")
