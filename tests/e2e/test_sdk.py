"""Vendors' real SDKs, imported and linked against by projects of customers who have never heard of our core.

Each project lies beside the backend of its vendor (cpp_core/backends/*/tests/sdk/*), with what it downloads and what it
has to print: linked, audited, packaged, and started as far as a machine without the device goes.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebuild.config.project import load_project
from edgebuild.config.targets import load_target
from edgebuild.config.yaml import load_yaml
from edgebuild.elf import read_elves
from edgebuild.fetch import fetch_all
from edgebuild.model.arch import ARCHES
from edgebuild.model.recipe import Download
from edgebuild.unpack import unpack_tar
from edgebuild.workspace import Workspace
from tests.e2e.harness import REPOSITORY, Ended, call, edgebuild

CASES = sorted(REPOSITORY.glob("cpp_core/backends/*/tests/sdk/*/sdk.yaml"))
_REFUSED, _NOT_ACCEPTED = 5, 6
# ld.so(8): what ldd sets, with every function bound.
_TRACE = {"LD_TRACE_LOADED_OBJECTS": "1", "LD_WARN": "yes", "LD_BIND_NOW": "yes"}
_BUILD_S, _RUN_S = 900, 300


class Trap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What would be taken with these options, and is refused for these files."""

    options: tuple[str, ...]
    names: tuple[str, ...]


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """sdk.yaml. licence: as its files call it; exports: library -> a function. root: userland to run in.

    prints: expression for all that the program prints; loader_only: that the loader prints, which opens every library,
    binds every symbol and starts nothing.
    """

    name: str
    downloads: tuple[Download, ...]
    licence: str
    version: str
    exports: Mapping[str, str]
    prints: str
    options: tuple[str, ...] = ()
    trap: Trap | None = None
    root: str = ""
    loader_only: bool = False


@dataclass(frozen=True)
class Customer:
    """One customer's project in a folder of its own, and the SDK as it was downloaded."""

    name: str
    case: Case
    folder: Path
    source: Path

    @property
    def target(self) -> str:
        (row,) = load_project(self.folder).targets
        return row

    def call(self, *words: str | Path, timeout_s: float = _BUILD_S) -> Ended:
        return edgebuild(*words, cwd=self.folder, timeout_s=timeout_s)

    def import_sdk(self, *options: str, name: str = "") -> Ended:
        words = ("--as", name or self.case.name, "--target", self.target, "--json", *options)
        return self.call("sdk", "import", self.source, *words)


@pytest.fixture(scope="module", params=CASES, ids=lambda file: f"{file.parts[-5]}-{file.parts[-2]}")
def customer(request: pytest.FixtureRequest, cache: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Customer:
    """Files as they were downloaded, under their own names; several lie in one folder."""
    file: Path = request.param
    case = load_yaml(file, Case)
    base = tmp_path_factory.mktemp("customer")
    folder = base / file.parent.name
    shutil.copytree(file.parent, folder)
    downloads = base / "downloads"
    downloads.mkdir()
    for download, kept in zip(case.downloads, fetch_all(case.downloads, ws=cache), strict=True):
        (downloads / download.file).symlink_to(kept)
    source = downloads if len(case.downloads) > 1 else downloads / case.downloads[0].file
    return Customer(file.parent.name, case, folder, source)


@pytest.fixture(scope="module")
def sdk(customer: Customer) -> dict[str, Any]:
    accepted = ("--accept-licence", customer.case.licence)
    return dict(customer.import_sdk(*customer.case.options, *accepted).json())


@pytest.fixture(scope="module")
def smallest(sdk: dict[str, Any]) -> Path:
    """A library of the SDK that does not take seconds to copy and strip."""
    return min((Path(sdk["path"]) / each["path"] for each in sdk["libraries"]), key=lambda path: path.stat().st_size)


@pytest.fixture(scope="module")
def tree(customer: Customer, sdk: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tarball of the project, unpacked elsewhere."""
    assert sdk
    (manifest,) = customer.call("build", "--all", "--json").json()["artifacts"]
    (product,) = [each for each in manifest["products"] if each["kind"] == "tarball"]
    folder = tmp_path_factory.mktemp("unpacked")
    unpack_tar(customer.folder / "out" / customer.target / product["path"], folder, strip=1)
    return folder


def test_there_are_customers_of_several_vendors_and_of_both_architectures(cache: Workspace) -> None:
    assert len({file.parts[-5] for file in CASES}) >= 3
    projects = [load_project(file.parent) for file in CASES]
    assert {load_target(row, cache).arch.name for project in projects for row in project.targets} == {*ARCHES}


def test_nothing_is_taken_before_the_licence_is_accepted(customer: Customer) -> None:
    ended = customer.import_sdk(*customer.case.options, name="unread")
    assert ended.code == _NOT_ACCEPTED and "has not been accepted" in ended.stderr
    assert not (customer.folder / "sysroots/sdks/unread.yaml").exists()


def test_what_is_for_another_machine_is_refused_and_named(
    customer: Customer, sdk: dict[str, Any], smallest: Path
) -> None:
    """The trap that the vendor has set; of an SDK that has none a library for the other kind of box."""
    other = next(arch for arch in ARCHES if arch != sdk["arch"])
    inner = customer.case.options if "--inner" in customer.case.options else ()
    untrapped = Trap(options=(*inner, "--arch", other, "--only", f"*/{smallest.name}"), names=(smallest.name,))
    trap = customer.case.trap or untrapped
    ended = customer.import_sdk(*trap.options, "--accept-licence", customer.case.licence, name="trapped")
    assert ended.code == _NOT_ACCEPTED and "but found" in ended.stderr
    assert all(name in ended.stderr for name in trap.names), ended.stderr
    assert not (customer.folder / "sysroots/sdks/trapped.yaml").exists()


def test_it_is_recorded_with_its_version_licence_and_symbols(customer: Customer, sdk: dict[str, Any]) -> None:
    assert sdk["version"] == customer.case.version
    assert sdk["licence"]["name"] == customer.case.licence and not sdk["redistributable"]
    assert set(customer.case.exports) <= {each["path"].rpartition("/")[2] for each in sdk["libraries"]} | {
        each["soname"] for each in sdk["libraries"]
    }
    symbols = (customer.folder / f"sysroots/sdks/{customer.case.name}.symbols").read_text()
    for library, function in customer.case.exports.items():
        section = symbols.split(f"[{library}]\n")[1].split("\n[")[0]
        assert function in {line.partition("@")[0] for line in section.splitlines()}
    assert not [each for each in sdk["backends"] if each["missing"]], "our backends find every function"


def test_a_customers_project_is_linked_audited_and_packaged(customer: Customer, tree: Path) -> None:
    (archive,) = (path for path in (customer.folder / "out").rglob("*.tar.gz") if "-debug" not in path.name)
    customer.call("audit", archive, "--target", customer.target).succeed()
    (elf,) = read_elves(tree)
    assert set(elf.needed) & set(customer.case.exports), elf.needed
    assert elf.runpath == ("$ORIGIN/../lib",)
    assert not [path for path in tree.rglob("*") if ".so" in path.name], "the SDK stays where it is: on the box"
    content = (tree / elf.name).read_bytes()
    assert str(customer.folder).encode() not in content and b"/sdks/" not in content


def test_it_runs_with_the_vendors_own_libraries_as_far_as_there_is_no_device(
    customer: Customer, sdk: dict[str, Any], tree: Path
) -> None:
    (elf,) = read_elves(tree)
    if customer.case.loader_only:
        ended = call(tree / elf.name, env={"LD_LIBRARY_PATH": f"{sdk['prefix']}/lib", **_TRACE}, timeout_s=_RUN_S)
        assert "not found" not in ended.stdout and "undefined symbol" not in ended.stderr, ended
    else:
        root = ("--root", customer.case.root) if customer.case.root else ()
        ended = customer.call("run", "--target", customer.target, *root, "--", elf.name, timeout_s=_RUN_S)
    assert re.fullmatch(customer.case.prints, ended.succeed().stdout), ended


def test_a_product_that_carries_a_file_of_the_sdk_is_refused(
    customer: Customer, tree: Path, smallest: Path, tmp_path: Path
) -> None:
    """As a customer would do it who wants his tarball to be complete, and gives the file a name of his own."""
    assert tree.is_dir()
    folder = tmp_path / "complete"
    shutil.copytree(customer.folder, folder, ignore=shutil.ignore_patterns("build", "out"))
    shutil.copyfile(smallest, folder / "plugin.bin")
    with (folder / "CMakeLists.txt").open("a") as lists:
        lists.write("install(FILES plugin.bin DESTINATION share)\n")
    ended = edgebuild("build", "--all", cwd=folder, timeout_s=_BUILD_S)
    assert "A138" in ended.stderr and f"SDK '{customer.case.name}'" in ended.stderr, ended.stderr
    assert ended.code == _REFUSED and not (folder / "out").exists()


def test_the_sdk_is_forgotten_when_it_is_removed(customer: Customer, tree: Path) -> None:
    assert tree.is_dir()
    removed = json.loads(customer.call("sdk", "remove", customer.case.name, "--cached", "--json").succeed().stdout)
    assert removed["name"] == customer.case.name
    assert customer.call("sdk", "list", "--json").json()["sdks"] == []
    ended = customer.call("build", "--all")
    assert ended.code == 2 and "edgebuild sdk import" in ended.stderr
