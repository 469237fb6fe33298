"""`edgebuild audit`: any form in which libraries travel, an exit code per ending, and no harm from archives."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from edgebuild.audit.codes import CODES, page
from edgebuild.commands.audit import command, complete_codes
from edgebuild.commands.context import Context, complete_contracts
from edgebuild.errors import ConfigError, ConfigErrors, VerificationError
from edgebuild.inputs import read_artifact
from edgebuild.log import Log
from edgebuild.model.elf import ElfFacts
from edgebuild.model.finding import Finding
from edgebuild.run import run
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf
from tests.unit.test_origin import LLD, archive, object_file

REFUSED = 5
WHEEL = "x-1-cp39-cp39-linux_aarch64.whl"
NO_CONTEXT = click.Context(command)
NO_PARAMETER = click.Option(["--x"])

PROGRAM = Elf(
    needed=("libx.so.1", "libc.so.6"), runpath="$ORIGIN/../lib", needs={"libc.so.6": {"GLIBC_2.17": ("puts",)}}
)


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
        archive.writestr("x-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp39-cp39-linux_aarch64\n")
        for file in tree.rglob("*"):
            if file.is_file():
                archive.write(file, file.relative_to(tree))
    return path


def read_any(path: Path, ws: Workspace) -> tuple[ElfFacts, ...]:
    return read_artifact(path, ws=ws).elves


def invoke(ws: Workspace, *args: str | Path) -> Result:
    """Refusals are exit codes; errors are raised. These files have no code to disassemble."""
    words = ["--no-isa", *(str(arg) for arg in args)]
    return CliRunner().invoke(command, words, obj=Context(ws, run), standalone_mode=False, catch_exceptions=False)


def test_a_folder_that_holds_all_it_needs_passes_with_a_table(tree: Path, ws: Workspace) -> None:
    result = invoke(ws, tree, "--target", "generic-arm64")
    assert result.return_value == 0
    assert result.stdout == (
        "file             GLIBC  GLIBCXX\nbin/program      2.17   -\nlib/libx.so.1.2  -      -\n"
        f"{tree} on generic-arm64: passes\n"
    )


def test_what_has_no_elf_file_passes_without_a_table(ws: Workspace, tmp_path: Path) -> None:
    script = tmp_path / "start"
    script.write_text("#!/bin/sh\n")
    assert invoke(ws, script, "--target", "generic-arm64").stdout == f"{script} on generic-arm64: passes\n"


def test_a_tarball_is_audited_with_its_links(tree: Path, tmp_path: Path, ws: Workspace) -> None:
    assert invoke(ws, as_tarball(tree, tmp_path / "x.tar.gz"), "--target", "generic-arm64").return_value == 0
    assert list((ws.cache / "work").iterdir()) == []


def test_a_wheel_is_audited_by_what_it_holds(tree: Path, tmp_path: Path, ws: Workspace) -> None:
    wheel = as_wheel(tree, tmp_path / WHEEL)
    assert [elf.name for elf in read_any(wheel, ws)] == ["bin/program", "lib/libx.so.1", "lib/libx.so.1.2"]


@pytest.fixture
def broken(tree: Path) -> Path:
    """Its library is not found any more."""
    (tree / "lib/libx.so.1").unlink()
    return tree


def test_a_refusal_names_cause_remedy_and_explanation_and_ends_with_5(broken: Path, ws: Workspace) -> None:
    result = invoke(ws, broken, "--target", "generic-arm64")
    assert result.return_value == REFUSED
    head, place, remedy, explained, _, verdict = result.stdout.splitlines()
    assert head == "A103 needs a library that is neither bundled nor on the box"
    assert place.startswith("  bin/program: needs libx.so.1")
    assert remedy.startswith("    remedy: ")
    assert explained == "    explained: edgebuild audit --explain A103"
    assert verdict == f"{broken} on generic-arm64: refused: 1 error"


def test_json_is_the_same_document_when_it_refuses(broken: Path, ws: Workspace) -> None:
    result = invoke(ws, broken / "bin/program", "--target", "arm64", "--json")
    assert result.return_value == REFUSED
    document = json.loads(result.stdout)
    assert document["schema"] == "edgebuild.audit/2"
    assert document["path"] == str(broken / "bin/program")
    assert document["files"] == [{"name": "program", "kind": "shared", "needs": {"GLIBC": "2.17"}}]
    (verdict,) = document["verdicts"]
    assert (verdict["target"], verdict["verdict"], verdict["waived"]) == ("generic-arm64", "refused", [])
    assert [finding["code"] for finding in verdict["findings"]] == ["A103", "A105"]
    assert verdict["findings"][0].keys() == Finding.__annotations__.keys()


def test_several_artifacts_and_boxes_give_a_verdict_each(tree: Path, ws: Workspace) -> None:
    program = tree / "bin/program"
    result = invoke(ws, tree, program, "-t", "generic-*", "--contract", "generic-arm64")
    assert result.return_value == REFUSED
    verdicts = [line.removeprefix(str(tree)) for line in result.stdout.splitlines() if " on generic-" in line][-6:]
    assert [line.partition(":")[0] for line in verdicts] == [
        f"{what} on {box}"
        for what in ("", "/bin/program")
        for box in ("generic-arm64", "generic-x86_64", "generic-arm64")
    ]
    assert [line.partition(": ")[2].startswith("passes") for line in verdicts] == [True, False, True, *[False] * 3]
    document = json.loads(invoke(ws, tree, program, "-t", "arm64", "--json").stdout)
    assert document["schema"] == "edgebuild.audits/2"
    assert [each["path"] for each in document["audits"]] == [str(tree), str(program)]


def test_a_contract_of_ones_own_is_a_file(tree: Path, tmp_path: Path, ws: Workspace) -> None:
    mine = tmp_path / "box.yaml"
    mine.write_text(
        "title: My box\narch: aarch64\ncpu: {model: x, emulated_as: cortex-a53, features: [fp, asimd]}\n"
        'libraries: {libc.so.6: {GLIBC: "2.12"}}\npage_size: 4096\n'
    )
    result = invoke(ws, tree, "--contract", mine)
    assert result.return_value == REFUSED
    assert "needs GLIBC_2.17 (puts@GLIBC_2.17), but libc.so.6 of 'My box' ends at GLIBC_2.12" in result.stdout


def test_a_projects_waiver_lets_pass_and_is_shown(broken: Path, ws: Workspace, tmp_path: Path) -> None:
    waived = project(tmp_path, until="2999-01-01")
    mine = dataclasses.replace(ws, project=waived)
    result = invoke(mine, broken, "-t", "arm64")
    assert result.return_value == 0
    assert "waived: A103 bin/program: needs libx.so.1" in result.stdout
    assert "(the box's own, ticket 7)" in result.stdout
    assert result.stdout.endswith(": passes; 1 waived\n")
    (verdict,) = json.loads(invoke(mine, broken, "-t", "arm64", "--json").stdout)["verdicts"]
    assert (verdict["findings"], [each["code"] for each in verdict["waived"]]) == ([], ["A103"])


def test_a_projects_waiver_holds_for_a_contract_too(broken: Path, ws: Workspace, tmp_path: Path) -> None:
    mine = dataclasses.replace(ws, project=project(tmp_path, until="2999-01-01"))
    assert invoke(mine, broken, "--contract", "generic-arm64").stdout.endswith(": passes; 1 waived\n")


def test_a_waiver_of_no_code_is_a_usage_error(broken: Path, ws: Workspace, tmp_path: Path) -> None:
    mine = dataclasses.replace(ws, project=project(tmp_path, until="2999-01-01", code="A999"))
    with pytest.raises(ConfigErrors, match=r"edgebuild\.yaml: waivers\[0\]: there is no code 'A999'"):
        invoke(mine, broken, "-t", "arm64")


def test_a_waiver_that_has_ended_is_told_and_does_not_count(broken: Path, ws: Workspace, tmp_path: Path) -> None:
    result = invoke(dataclasses.replace(ws, project=project(tmp_path, until="2001-01-01")), broken, "-t", "arm64")
    assert result.return_value == REFUSED
    assert "its waiver ended on 2001-01-01 (the box's own, ticket 7)." in result.stdout


def test_a_waiver_that_covers_nothing_is_told(tree: Path, ws: Workspace, tmp_path: Path) -> None:
    said = io.StringIO()
    loud = dataclasses.replace(ws, project=project(tmp_path, until="2999-01-01"), log=Log(said))
    assert invoke(loud, tree, "-t", "arm64").return_value == 0
    assert "the waiver of A103 (the box's own, ticket 7) covers nothing here" in said.getvalue()


def project(folder: Path, *, until: str, code: str = "A103") -> Path:
    (folder / "CMakeLists.txt").write_text("project(x)\n")
    (folder / "edgebuild.yaml").write_text(
        'name: x\nversion: "1"\ntargets: [generic-arm64]\nwaivers:\n'
        f'  - {{code: {code}, file: "bin/*", reason: "the box\'s own, ticket 7", until: {until}}}\n'
    )
    return folder


def test_sarif_is_written_beside_the_verdict(broken: Path, ws: Workspace, tmp_path: Path) -> None:
    result = invoke(ws, broken, "-t", "arm64", "--sarif", tmp_path / "deep/audit.sarif")
    assert result.return_value == REFUSED
    (run_of_box,) = json.loads((tmp_path / "deep/audit.sarif").read_text())["runs"]
    assert [each["ruleId"] for each in run_of_box["results"]] == ["A103"]


def test_a_link_map_names_who_brought_the_symbol_in(tree: Path, ws: Workspace, tmp_path: Path) -> None:
    program = Elf(needed=("libc.so.6",), needs={"libc.so.6": {"GLIBC_2.99": ("f",)}})
    (tree / "bin/program").write_bytes(write_elf(program))
    (tmp_path / "libtrack.a").write_bytes(archive({"k.o": object_file(undefined=("f",))}))
    link_map = tmp_path / "program.map"
    link_map.write_text(LLD.replace("lib/libfoo.a(foo.o)", "libtrack.a(k.o)"))
    result = invoke(ws, tree, "-t", "arm64", "--link-map", link_map)
    assert result.return_value == REFUSED
    assert ", brought in by libtrack.a(k.o)" in result.stdout


def test_one_must_say_for_which_boxes(tree: Path, ws: Workspace) -> None:
    with pytest.raises(ConfigError, match="say for which boxes"):
        invoke(ws, tree)


@pytest.mark.parametrize(("option", "name"), [("--target", "generic-arm63"), ("--contract", "generic-arm63")])
def test_an_unknown_box_is_a_usage_error_with_a_suggestion(option: str, name: str, tree: Path, ws: Workspace) -> None:
    with pytest.raises(ConfigError) as caught:
        invoke(ws, tree, option, name)
    assert "did you mean 'generic-arm64'?" in caught.value.hint


@pytest.mark.parametrize("what", ["", "docker:"])
def test_an_empty_name_is_not_the_current_folder(what: str, ws: Workspace) -> None:
    with pytest.raises(click.BadParameter, match="it names nothing"):
        invoke(ws, what, "-t", "arm64")


def test_codes_are_explained_without_an_artifact(ws: Workspace) -> None:
    assert invoke(ws, "--explain", "a102").stdout == page("A102")
    with pytest.raises(ConfigError, match="no code 'A999'"):
        invoke(ws, "--explain", "A999")


def test_codes_are_listed(ws: Workspace) -> None:
    lines = invoke(ws, "--codes").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["code", *CODES]


def test_codes_and_contracts_complete(ws: Workspace) -> None:
    assert complete_codes(NO_CONTEXT, NO_PARAMETER, "a10") == [code for code in CODES if code.startswith("A10")]
    completed = [(each.value, each.type) for each in complete_contracts(NO_CONTEXT, NO_PARAMETER, "generic-a")]
    assert completed == [("generic-arm64", "plain")]


def test_where_no_contract_is_called_so_a_file_completes(ws: Workspace) -> None:
    assert [each.type for each in complete_contracts(NO_CONTEXT, NO_PARAMETER, "./bo")] == ["file"]


def test_a_file_of_another_kind_is_a_usage_error(tmp_path: Path, ws: Workspace) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("notes")
    with pytest.raises(ConfigError, match=r"notes\.txt: neither a folder, an ELF file, a wheel, a package, a tarball"):
        read_any(path, ws)


@pytest.mark.parametrize(("pack", "name"), [(as_wheel, WHEEL), (as_tarball, "x.tar.gz")])
def test_half_an_archive_is_called_damaged(
    pack: Callable[[Path, Path], Path], name: str, tree: Path, tmp_path: Path, ws: Workspace
) -> None:
    path = pack(tree, tmp_path / name)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(VerificationError, match=r"damaged (archive|wheel)"):
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
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as archive:
        archive.writestr("x-1.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("../escaped", "x")
    with pytest.raises(VerificationError, match="would leave the folder"):
        read_any(tmp_path / WHEEL, ws)


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
