"""`edgebuild audit PATH`: any form in which libraries travel, an exit code per ending, and no harm from archives."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgebuild.commands.audit import command, read_any
from edgebuild.commands.context import Context
from edgebuild.errors import AuditError, ConfigError, VerificationError
from edgebuild.run import run
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf

PROGRAM = Elf(needed=("libx.so.1", "libc.so.6"), runpath="$ORIGIN/../lib", needs={"libc.so.6": {"GLIBC_2.17": ("f",)}})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """bin/program with the library it needs, found through a link."""
    root = tmp_path / "tree"
    for name, elf in {"bin/program": PROGRAM, "lib/libx.so.1.2": Elf(soname="libx.so.1")}.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(write_elf(elf))
    (root / "lib/libx.so.1").symlink_to("libx.so.1.2")
    return root


def as_tarball(tree: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(tree, "top")
    return path


def as_wheel(tree: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in tree.rglob("*"):
            if file.is_file():
                archive.write(file, file.relative_to(tree))
    return path


def invoke(ws: Workspace, *args: str | Path) -> tuple[str, BaseException | None]:
    result = CliRunner().invoke(command, [str(arg) for arg in args], obj=Context(ws, run))
    return result.stdout, result.exception


def test_a_folder_that_holds_all_it_needs_passes_with_a_table(tree: Path, ws: Workspace) -> None:
    assert invoke(ws, tree, "--target", "generic-arm64") == (
        "file             GLIBC  GLIBCXX\nbin/program      2.17   -\nlib/libx.so.1.2  -      -\n",
        None,
    )


def test_a_tarball_is_audited_with_its_links(tree: Path, tmp_path: Path, ws: Workspace) -> None:
    assert invoke(ws, as_tarball(tree, tmp_path / "x.tar.gz"), "--target", "generic-arm64")[1] is None
    assert list((ws.cache / "work").iterdir()) == []


def test_a_wheel_is_audited_by_what_it_holds(tree: Path, tmp_path: Path, ws: Workspace) -> None:
    assert [elf.name for elf in read_any(as_wheel(tree, tmp_path / "x.whl"), ws)] == [
        "bin/program",
        "lib/libx.so.1",
        "lib/libx.so.1.2",
    ]


def test_a_finding_ends_with_an_audit_error_that_names_it(tree: Path, ws: Workspace) -> None:
    (tree / "lib/libx.so.1").unlink()
    stdout, error = invoke(ws, tree, "--target", "generic-arm64")
    assert isinstance(error, AuditError)
    assert error.exit_code == 5
    assert "  bin/program: needs libx.so.1" in error.message.splitlines()
    assert stdout == ""


def test_json_carries_facts_and_findings_of_the_same_refusal(tree: Path, ws: Workspace) -> None:
    (tree / "lib/libx.so.1").unlink()
    stdout, error = invoke(ws, tree / "bin/program", "--target", "arm64", "--json")
    assert isinstance(error, AuditError)
    document = json.loads(stdout)
    assert document["schema"] == "edgebuild.audit/1"
    assert document["files"] == [{"name": "program", "kind": "shared", "needs": {"GLIBC": "2.17"}}]
    assert [finding["code"] for finding in document["findings"]["generic-arm64"]] == ["A103", "A105"]


def test_a_file_of_another_kind_is_a_usage_error(tmp_path: Path, ws: Workspace) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("notes")
    with pytest.raises(ConfigError, match=r"notes\.txt: neither a folder, an ELF file, a wheel nor a tarball"):
        read_any(path, ws)


@pytest.mark.parametrize(("pack", "name"), [(as_wheel, "x.whl"), (as_tarball, "x.tar.gz")])
def test_half_an_archive_is_called_damaged(
    pack: Callable[[Path, Path], Path], name: str, tree: Path, tmp_path: Path, ws: Workspace
) -> None:
    path = pack(tree, tmp_path / name)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(VerificationError, match="damaged archive"):
        read_any(path, ws)


def tarball_of(path: Path, *members: tuple[str, str]) -> Path:
    """members: (name, target) of symlinks; target "" makes a file of them."""
    with tarfile.open(path, "w:gz") as archive:
        for name, target in members:
            member = tarfile.TarInfo(name)
            member.type = tarfile.SYMTYPE if target else tarfile.REGTYPE
            member.linkname = target
            archive.addfile(member, io.BytesIO())
    return path


@pytest.mark.parametrize(
    "members",
    [
        (("../escaped", ""),),
        (("/escaped", ""),),
        (("lib", "../.."),),
        (("inner/lib", "../../x"),),
    ],
    ids=str,
)
def test_a_member_that_would_leave_its_folder_is_refused(
    members: tuple[tuple[str, str], ...], tmp_path: Path, ws: Workspace
) -> None:
    with pytest.raises(VerificationError, match="would leave the folder"):
        read_any(tarball_of(tmp_path / "bad.tar.gz", *members), ws)
    assert not list(tmp_path.rglob("escaped"))


def test_a_hostile_zip_is_refused(tmp_path: Path, ws: Workspace) -> None:
    with zipfile.ZipFile(tmp_path / "bad.whl", "w") as archive:
        archive.writestr("../escaped", "x")
    with pytest.raises(VerificationError, match="would leave the folder"):
        read_any(tmp_path / "bad.whl", ws)


@pytest.mark.parametrize(
    "members",
    [
        (("lib", "/etc"), ("lib/escaped", "")),
        (("p/q/r", "../.."), ("s", "p/q/r/../.."), ("s/escaped", "")),
    ],
    ids=str,
)
def test_nothing_is_written_outside_through_a_link(
    members: tuple[tuple[str, str], ...], tmp_path: Path, ws: Workspace
) -> None:
    archive = tarball_of(tmp_path / "bad.tar.gz", *members)
    with contextlib.suppress(VerificationError):
        read_any(archive, ws)
    assert not list(tmp_path.rglob("escaped")), "the scratch folder is gone, and nothing lies beside it"
    assert not Path("/etc/escaped").exists()


def test_a_link_to_a_library_is_audited_as_the_library(tree: Path, ws: Workspace) -> None:
    link = tree.parent / "libx.so"
    link.symlink_to(tree / "bin/program")
    (facts,) = read_any(link, ws)
    assert facts.name == "libx.so"
