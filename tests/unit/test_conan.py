"""Third-party libraries: one product per toolchain, sources before Conan, and Conan only when there is work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml

from edgebuild.build.conan import (
    portable_sources,
    prefixes_of,
    provide_deps,
    provide_project_deps,
    sources_of,
)
from edgebuild.build.conan_profile import render_build_profile, render_profile
from edgebuild.errors import BuildError, ConfigError, NotAvailable
from edgebuild.model.recipe import Download
from edgebuild.run import Command, Completed
from edgebuild.workspace import Workspace, shipped_data
from tests import toolchains

CORE = shipped_data() / "cpp_core"
RECIPES = CORE / "recipes"
TOOLCHAIN = msgspec.structs.replace(toolchains.TOOLCHAIN, c_flags=("-ffp-contract=off",))


class FakeConan:
    """Remembers commands; `install` puts one header into the deployer's folder, or fails with `error`.

    ours: it fails only while it is kept to our own index. generators: files that a conanfile asks for.
    """

    def __init__(self, error: str = "", *, ours: bool = False, generators: tuple[str, ...] = ()) -> None:
        self.commands: list[Command] = []
        self.error = error
        self.ours = ours
        self.generators = generators

    def installs(self) -> list[tuple[str, ...]]:
        return [command.argv for command in self.commands if command.argv[1] == "install"]

    def __call__(self, command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
        self.commands.append(command)
        if command.argv[1] == "install":
            assert log_file is not None
            if self.error and not (self.ours and "--remote=edgecore" not in command.argv):
                log_file.write_text(self.error)
                raise BuildError("conan failed", f"whole log: {log_file}")
            options = dict(word.split("=", 1) for word in command.argv if word.startswith("--") and "=" in word)
            (Path(options["--deployer-folder"]) / "library.h").touch()
            for name in self.generators:
                place = Path(options["--output-folder"]) / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
        return Completed(0)


@pytest.fixture
def sources() -> tuple[Download, ...]:
    return msgspec.convert(yaml.safe_load((RECIPES / "sources.yaml").read_text()), tuple[Download, ...])


@pytest.fixture
def fetched(ws: Workspace, sources: tuple[Download, ...]) -> Workspace:
    """A workspace whose download cache holds every source."""
    for download in sources:
        place = ws.cache / "downloads" / download.sha256[:2] / f"{download.sha256}-{download.file}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(download.file)
    return ws


def test_every_recipe_takes_a_source_that_edgebuild_knows_how_to_fetch(sources: tuple[Download, ...]) -> None:
    wanted = {
        source["sha256"]
        for data in RECIPES.glob("*/all/conandata.yml")
        for source in yaml.safe_load(data.read_text())["sources"].values()
    }
    assert wanted == {download.sha256 for download in sources}


def test_the_lock_names_every_recipe_at_the_version_it_has() -> None:
    locked = {reference.partition("#")[0] for reference in json.loads((CORE / "conan.lock").read_text())["requires"]}
    offered = {
        f"{config.parent.name}/{version}"
        for config in RECIPES.glob("*/config.yml")
        for version in yaml.safe_load(config.read_text())["versions"]
    }
    assert locked == offered


def test_libraries_are_made_once_per_toolchain_and_floor(fetched: Workspace, sources: tuple[Download, ...]) -> None:
    conan = FakeConan()
    first = provide_deps(TOOLCHAIN, sources, ws=fetched, run=conan)
    started = len(conan.commands)
    assert provide_deps(TOOLCHAIN, sources, ws=fetched, run=conan) == first
    assert len(conan.commands) == started, "Conan was started although nothing was to do"
    others = [msgspec.structs.replace(TOOLCHAIN, digest="d2"), msgspec.structs.replace(TOOLCHAIN, floor="2.28")]
    assert len({first, *(provide_deps(each, sources, ws=fetched, run=conan) for each in others)}) == 3


def test_sources_lie_where_conan_looks_for_them(fetched: Workspace, sources: tuple[Download, ...]) -> None:
    provide_deps(TOOLCHAIN, sources, ws=fetched, run=FakeConan())
    (home,) = (fetched.cache / "conan").iterdir()
    assert f"core.sources:download_cache={home / 'sources'}" in (home / "global.conf").read_text()
    assert {path.name for path in (home / "sources" / "s").iterdir()} == {each.sha256 for each in sources}


def test_offline_names_every_missing_source_before_conan_starts(ws: Workspace, sources: tuple[Download, ...]) -> None:
    conan = FakeConan()
    with pytest.raises(NotAvailable, match=r"ffmpeg.*libjpeg-turbo.*doctest.*rapidyaml"):
        provide_deps(TOOLCHAIN, sources, ws=replace(ws, offline=True), run=conan)
    assert conan.commands == []


@pytest.mark.parametrize(
    ("output", "error"),
    [
        ("ERROR: Requirement 'ffmpeg/6.0' not in lockfile 'requires'", ConfigError),
        ("WARN: A specific revision 'ffmpeg/5.1.9#aa' was requested, but it doesn't match", ConfigError),
        ("error: unknown type name 'foo'", BuildError),
    ],
)
def test_a_lock_that_no_longer_matches_is_told_from_a_failed_build(
    fetched: Workspace, output: str, error: type[Exception], sources: tuple[Download, ...]
) -> None:
    with pytest.raises(error) as caught:
        provide_deps(TOOLCHAIN, sources, ws=fetched, run=FakeConan(output))
    assert ("conan lock create" in caught.value.hint) == (error is ConfigError)
    assert not list((fetched.cache / "deps").glob("*"))


def test_the_users_compiler_flags_do_not_reach_the_libraries(fetched: Workspace, sources: tuple[Download, ...]) -> None:
    conan = FakeConan()
    provide_deps(TOOLCHAIN, sources, ws=fetched, run=conan)
    assert all(command.env[name] is None for command in conan.commands for name in ("CC", "CFLAGS", "MAKEFLAGS"))


def test_the_profile_names_the_compilers_of_both_machines_and_what_package_ids_depend_on() -> None:
    host = render_profile(TOOLCHAIN, Path("/opt/toolchain.cmake")).splitlines()
    assert 'tools.build:compiler_executables={"c": "/opt/tools/bin/cc", "cpp": "/opt/tools/bin/c++"}' in host
    assert 'tools.info.package_id:confs=["user.edgebuild:.*"]' in host
    assert {"user.edgebuild:toolchain=d1", "user.edgebuild:floor=2.17", "arch=armv8", "NM=/opt/tools/bin/nm"} <= {*host}
    assert '"c": "/opt/tools/bin/host-cc"' in render_build_profile(TOOLCHAIN)


_GONE = "ERROR: Package 'zlib/1.3.1' not resolved: Unable to find 'zlib/1.3.1' in remotes."


@pytest.fixture
def conanfile(tmp_path: Path) -> Path:
    """Of a user's project that wants a library of ours and one of others."""
    path = tmp_path / "guard" / "conanfile.txt"
    path.parent.mkdir()
    path.write_text("[requires]\nlibjpeg-turbo/2.1.5\nzlib/1.3.1\n")
    return path


def test_conan_center_is_asked_only_for_what_our_index_lacks(
    fetched: Workspace, sources: tuple[Download, ...], conanfile: Path
) -> None:
    alone, with_center = FakeConan(), FakeConan(_GONE, ours=True)
    provide_deps(TOOLCHAIN, sources, ws=fetched, run=alone)
    assert ["--remote=edgecore" in argv for argv in alone.installs()] == [True]
    provide_project_deps("guard", conanfile, TOOLCHAIN, sources, ws=fetched, run=with_center)
    assert ["--remote=edgecore" in argv for argv in with_center.installs()] == [True, False]


def test_offline_says_which_library_is_not_ours(
    fetched: Workspace, sources: tuple[Download, ...], conanfile: Path
) -> None:
    conan = FakeConan(_GONE, ours=True)
    with pytest.raises(NotAvailable, match=r"zlib/1\.3\.1: has no recipe of ours"):
        provide_project_deps("guard", conanfile, TOOLCHAIN, sources, ws=replace(fetched, offline=True), run=conan)
    assert len(conan.installs()) == 1


def test_a_center_out_of_reach_is_told_from_a_failed_build(
    fetched: Workspace, sources: tuple[Download, ...], conanfile: Path
) -> None:
    conan = FakeConan(f"{_GONE}\nUnable to connect to remote conancenter")
    with pytest.raises(NotAvailable, match="Conan Center does not answer"):
        provide_project_deps("guard", conanfile, TOOLCHAIN, sources, ws=fetched, run=conan)
    with pytest.raises(BuildError):
        provide_project_deps("guard", conanfile, TOOLCHAIN, sources, ws=fetched, run=FakeConan(_GONE))


def test_a_project_fetches_the_sources_of_what_it_asks_for_and_no_others(
    fetched: Workspace, sources: tuple[Download, ...], conanfile: Path
) -> None:
    provide_project_deps("guard", conanfile, TOOLCHAIN, sources, ws=fetched, run=FakeConan())
    (home,) = (fetched.cache / "conan").iterdir()
    (wanted,) = (each for each in sources if each.file.startswith("libjpeg-turbo"))
    assert [path.name for path in (home / "sources" / "s").iterdir()] == [wanted.sha256]
    assert sources_of(["my-ffmpeg/6.0, doctest/2.4.9"], sources, RECIPES) == tuple(
        each for each in sources if each.file.startswith("doctest")
    )


def test_a_projects_libraries_follow_its_conanfile_and_its_lock(
    fetched: Workspace, sources: tuple[Download, ...], conanfile: Path
) -> None:
    conan = FakeConan()

    def provide() -> Path:
        return provide_project_deps("guard", conanfile, TOOLCHAIN, sources, ws=fetched, run=conan)

    first = provide()
    conanfile.with_name("conan.lock").write_text('{"requires": []}')
    locked = provide()
    conanfile.write_text("[requires]\nlibjpeg-turbo/2.1.5\n")
    assert len({first, locked, provide()}) == 3
    locks = [word for argv in conan.installs() for word in argv if word.startswith("--lockfile=")]
    assert locks == ["--lockfile=", *[f"--lockfile={conanfile.with_name('conan.lock')}"] * 2]
    count = len(conan.commands)
    provide()
    assert len(conan.commands) == count, "Conan was started although nothing was to do"


def test_packages_that_a_generator_describes_are_found_before_the_libraries(
    fetched: Workspace, sources: tuple[Download, ...], conanfile: Path
) -> None:
    conan = FakeConan(generators=("build/generators/zlib-config.cmake", "conanbuild.sh"))
    deps = provide_project_deps("guard", conanfile, TOOLCHAIN, sources, ws=fetched, run=conan)
    assert prefixes_of(deps) == (deps / "conan" / "build" / "generators", deps)
    plain = provide_deps(TOOLCHAIN, sources, ws=fetched, run=FakeConan(generators=("conanbuild.sh",)))
    assert prefixes_of(plain) == (plain,)
    assert not (plain / "conan").exists()


def test_urls_stand_only_beside_bytes_that_upstream_publishes(sources: tuple[Download, ...]) -> None:
    """A url is a second place for the same sha256, so it must be the one that the recipe itself names."""
    recipes = [yaml.safe_load(data.read_text())["sources"] for data in RECIPES.glob("*/all/conandata.yml")]
    upstream = {source["sha256"]: source["url"] for versions in recipes for source in versions.values()}
    assert all(upstream[each.sha256] == each.url for each in sources if each.url)


def test_core_only_takes_no_source_that_a_distribution_has_to_give(
    fetched: Workspace, sources: tuple[Download, ...]
) -> None:
    conan = FakeConan()
    whole, core = (provide_deps(TOOLCHAIN, sources, core_only=only, ws=fetched, run=conan) for only in (False, True))
    assert whole != core
    asked = [word for command in conan.commands for word in command.argv if word.startswith("--requires=")]
    assert asked == ["--requires=rapidyaml/0.15.2"]
    assert not any(source.apt for source in portable_sources(sources))
