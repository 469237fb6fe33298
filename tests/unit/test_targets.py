"""Rows by name, alias and family; all that is wrong with a row is said at once, before the first download."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.cli import main
from edgebuild.config import targets
from edgebuild.config.contracts import load_contract
from edgebuild.config.targets import load_row, load_target, recipe_digest, resolve_names, row_names
from edgebuild.errors import ConfigError, ConfigErrors
from edgebuild.model.target import PythonSpec
from edgebuild.workspace import Workspace

ROW = """\
title: Acme box
alias: [acme]
contract: acme-box
toolchain: zig
backends: [cpu]
roots: [acme-root]
"""
CONTRACT = """\
title: Acme userland
arch: aarch64
cpu: {model: cortex-a53, emulated_as: cortex-a53}
libraries: {libc.so.6: {GLIBC: "2.31"}}
"""
SYSROOT = "title: Acme root\ndistribution: debian\nsuite: bullseye\narch: aarch64\npackages: [libc6]\n"
LOCK = "glibc: '2.31'\npackages: [{file: libpython3.7-dev_3.7.3_arm64.deb, sha256: none}]\n"
TOOLCHAIN = "title: Zig\nkind: zig\nwheels: {ziglang: 0.0.1}\nfloor: '2.17'\ncpu: {aarch64: cortex_a53}\n"


@pytest.fixture
def project(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """One whole row `acme-box` with everything it names, instead of the shipped ones."""
    rows = tmp_path / "targets"
    monkeypatch.setattr(targets, "_ROWS", rows)
    write(rows / "acme-box.yaml", ROW)
    write(ws.project / "contracts" / "acme-box.yaml", CONTRACT)
    write_recipe(ws.project / "sysroots" / "acme-root.yaml", SYSROOT, LOCK)
    write_recipe(ws.project / "toolchains" / "zig.yaml", TOOLCHAIN, "wheels: {x86_64: []}\n")
    return ws


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_recipe(path: Path, recipe: str, lock: str) -> None:
    write(path, recipe)
    path.with_suffix(".lock").write_text(f"recipe: {recipe_digest(path)}\n{lock}")


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_row_comes_with_all_it_names(project: Workspace) -> None:
    spec = load_target("acme-box", project)
    assert (spec.name, spec.arch.triple, spec.contract.cpu.emulated_as) == (
        "acme-box",
        "aarch64-linux-gnu",
        "cortex-a53",
    )
    assert list(spec.sysroots) == ["acme-root"]


def test_wheels_are_for_the_contracts_pythons_that_a_root_can_make_them_for(project: Workspace) -> None:
    assert load_target("acme-box", project).pythons == (), "a contract that names none promises none"
    with (project.project / "contracts" / "acme-box.yaml").open("a") as contract:
        contract.write('pythons: [{version: "3.7"}, {version: "3.9"}]\n')
    assert load_target("acme-box", project).pythons == (PythonSpec(version="3.7", headers="acme-root"),)


@pytest.mark.parametrize("wish", ["acme-box", "acme", "acme-*"])
def test_a_row_is_found_by_name_alias_and_family(project: Workspace, wish: str) -> None:
    assert resolve_names(wish) == ("acme-box",)


def test_an_unknown_name_gets_a_suggestion(project: Workspace) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_names("acme-bux")
    assert caught.value.message == "--target: no target named 'acme-bux'"
    assert caught.value.hint.startswith("did you mean 'acme-box'? ")


def test_a_family_without_members_is_an_error(project: Workspace) -> None:
    with pytest.raises(ConfigError, match=r"no target named 'other-\*'"):
        resolve_names("other-*")


def test_a_lock_that_no_longer_matches_is_refused_with_the_remedy(project: Workspace) -> None:
    rewrite(project.project / "sysroots" / "acme-root.yaml", "[libc6]", "[libc6, zlib1g]")
    with pytest.raises(ConfigErrors) as caught:
        load_target("acme-box", project)
    (error,) = caught.value.errors
    assert error.message.endswith("acme-root.lock: no longer matches acme-root.yaml, which has changed since")
    assert "`edgebuild sysroot lock acme-root`" in error.hint


def test_a_missing_lock_is_named(project: Workspace) -> None:
    (project.project / "toolchains" / "zig.lock").unlink()
    with pytest.raises(ConfigErrors, match=r"zig\.lock: missing"):
        load_target("acme-box", project)


def test_all_that_is_wrong_is_said_together(project: Workspace, tmp_path: Path) -> None:
    rewrite(project.project / "contracts" / "acme-box.yaml", "arch: aarch64", "arch: risc")
    rewrite(tmp_path / "targets" / "acme-box.yaml", "[acme-root]", "[acme-roof]")
    rewrite(tmp_path / "targets" / "acme-box.yaml", "toolchain: zig", "toolchain: zag")
    rewrite(tmp_path / "targets" / "acme-box.yaml", "backends: [cpu]", "backends: [cpu, xpu]")
    with pytest.raises(ConfigErrors) as caught:
        load_target("acme-box", project)
    said = [f"{error.message} | {error.hint}" for error in caught.value.errors]
    assert len(said) == 4
    for words in (
        "no toolchain named 'zag'",
        "did you mean 'acme-root'?",
        "invalid enum value 'risc'",
        "cpp_core/backends/xpu",
    ):
        assert any(words in line for line in said), words


def test_a_sysroot_of_another_machine_is_refused(project: Workspace) -> None:
    path = project.project / "sysroots" / "acme-root.yaml"
    write_recipe(path, SYSROOT.replace("aarch64", "x86_64"), LOCK)
    with pytest.raises(ConfigErrors, match="sysroot 'acme-root' is for x86_64, contract 'acme-box' for aarch64"):
        load_target("acme-box", project)


def test_a_toolchain_whose_floor_is_above_the_box_is_refused(project: Workspace) -> None:
    rewrite(project.project / "contracts" / "acme-box.yaml", "title:", "glibc: '2.12'\ntitle:")
    with pytest.raises(ConfigErrors, match=r"toolchain 'zig' links for glibc 2.17, 'Acme userland' has 2.12"):
        load_target("acme-box", project)


@pytest.mark.parametrize("name", row_names())
def test_every_shipped_row_and_its_contract_are_whole(name: str, ws: Workspace) -> None:
    row = load_row(name)
    contract = load_contract(row.contract, ws).contract
    assert contract.sources, "a contract says where its facts come from"
    assert row.proof.level == "none" or row.proof.by, "a proof names what ran it"


def test_names_and_aliases_are_distinct() -> None:
    words = [word for name in row_names() for word in (name, *load_row(name).alias)]
    assert len(words) == len(set(words))


def test_every_value_is_shown_below_its_file_in_lines_that_fit(capsys: pytest.CaptureFixture[str]) -> None:
    name = next(each for each in row_names() if load_row(each).image)
    with pytest.raises(SystemExit):
        main(["targets", "show", name])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"edgebuild/targets/{name}.yaml"
    assert max(map(len, lines)) <= 110
    words = " ".join(lines).split()
    row = load_row(name)
    assert f"images/{row.image}.yaml" in words
    assert {row.contract, row.toolchain, *row.alias} <= {word.strip(",") for word in words}


def test_the_list_tells_how_far_each_row_is_proven_and_what_has_shown_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["targets"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert lines.keys() == set(row_names())
    for name, line in lines.items():
        proof = load_row(name).proof
        assert line.endswith(f"{proof.level}: {proof.by}" if proof.by else proof.level)
