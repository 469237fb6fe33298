"""Which toolchain a row or a project gets, and what each kind tells CMake, Conan and the audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build import toolchain_wheels, toolchain_zig
from edgebuild.build.cmake import render_toolchain_file
from edgebuild.build.conan_profile import render_profile
from edgebuild.build.sysroot import sysroot_digest
from edgebuild.build.toolchain import provide_toolchain
from edgebuild.config import targets
from edgebuild.config.project import load_project
from edgebuild.config.recipes import load_toolchain_recipe
from edgebuild.config.targets import glibc_beyond, load_target, toolchain_problems, toolchain_spec
from edgebuild.errors import ConfigError, ConfigErrors
from edgebuild.model.arch import ARCHES
from edgebuild.model.contract import Contract, CpuSpec
from edgebuild.model.project import ToolchainWish
from edgebuild.model.target import ToolchainSpec
from edgebuild.run import Command, Completed
from edgebuild.workspace import Workspace
from tests.unit.test_targets import write, write_recipe

CLANG = "title: Clang\nkind: clang\nwheels: {ziglang: 0.0.1}\ncpu: {aarch64: armv8-a}\nhost: zig\n"
ROOT = "title: Root\ndistribution: debian\nsuite: bullseye\narch: aarch64\npackages: [libc6-dev]\n"
LOCK = "glibc: '2.31'\npackages: [{file: libc6_2.31-13_arm64.deb, sha256: none}]\n"
ON_ROOT = ToolchainWish(name="clang", sysroot="root")
GCC = """\
title: GCC
kind: gcc
arch: aarch64
host: zig
"""
GCC_LOCK = """\
imported:
  archive: {file: gcc.tar.xz, sha256: none}
  build_machine: x86_64
  glibc: '2.25'
  glibcxx: 3.4.24
  layout: {triple: aarch64-linux-gnu, gcc: 7.5.0, programs: {}, sysroot: libc, runtime: [libc/lib]}
"""


@pytest.fixture
def project(ws: Workspace) -> Workspace:
    """A clang, a GCC and a sysroot beside the shipped zig."""
    write_recipe(ws.project / "toolchains" / "clang.yaml", CLANG, "wheels: {x86_64: []}\n")
    write_recipe(ws.project / "toolchains" / "linaro.yaml", GCC, GCC_LOCK)
    write_recipe(ws.project / "sysroots" / "root.yaml", ROOT, LOCK)
    return ws


def contract(arch: str = "aarch64", glibc: str = "2.31") -> Contract:
    cpu = CpuSpec(model="cortex-a53", emulated_as="cortex-a53")
    return Contract(title="Acme box", arch=arch, cpu=cpu, libraries={}, glibc=glibc)  # type: ignore[arg-type]


def problems(spec: ToolchainSpec, box: Contract) -> list[str]:
    return [problem.message for problem in toolchain_problems(spec, box, "acme.yaml")]


def test_a_clang_takes_the_sysroot_that_it_is_wished_with_or_the_rows(project: Workspace) -> None:
    spec = toolchain_spec(ON_ROOT, project)
    assert spec.sysroot and spec.host
    assert (spec.sysroot.name, spec.glibc, spec.host.name) == ("root", "2.31", "zig")
    assert spec.words == "clang against root, glibc 2.31"
    assert toolchain_spec(ToolchainWish(name="clang"), project, row_sysroot="root").sysroot == spec.sysroot
    with pytest.raises(ConfigError, match=r"acme\.yaml: toolchain 'clang' has no C library of its own, and no sysroot"):
        toolchain_spec(ToolchainWish(name="clang"), project, where="acme.yaml")


def test_a_row_names_toolchain_and_sysroot(project: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = "title: Acme\ncontract: generic-arm64\ntoolchain: clang\nsysroot: root\nbackends: [cpu]\n"
    monkeypatch.setattr(targets, "_ROWS", tmp_path / "rows")
    write(tmp_path / "rows/acme.yaml", row)
    assert load_target("acme", project).toolchain.words == "clang against root, glibc 2.31"
    write(tmp_path / "rows/acme.yaml", row.replace("sysroot: root", "sysroot: roof"))
    with pytest.raises(ConfigErrors, match="no sysroot named 'roof'"):
        load_target("acme", project)
    write(tmp_path / "rows/acme.yaml", row.replace("sysroot: root\n", ""))
    with pytest.raises(ConfigErrors, match=r"acme\.yaml: toolchain 'clang' has no C library of its own"):
        load_target("acme", project)


@pytest.mark.parametrize("name", ["zig", "linaro"])
def test_a_toolchain_with_a_c_library_of_its_own_takes_no_sysroot(name: str, project: Workspace) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' has a C library of its own, and takes no sysroot 'root'"):
        toolchain_spec(ToolchainWish(name=name, sysroot="root"), project)
    spec = toolchain_spec(ToolchainWish(name=name), project, row_sysroot="root")
    assert spec.sysroot is None, "the row's is for the row's own toolchain"


def test_a_toolchain_or_sysroot_for_another_machine_is_refused(project: Workspace) -> None:
    intel = contract("x86_64")
    assert problems(toolchain_spec(ON_ROOT, project), intel) == [
        "acme.yaml: toolchain 'clang' compiles for aarch64, 'Acme box' is x86_64",
        "acme.yaml: sysroot 'root' is for aarch64, not for x86_64",
    ]
    assert problems(toolchain_spec(ToolchainWish(name="linaro"), project), intel)
    assert not problems(toolchain_spec(ToolchainWish(name="linaro"), project), contract())


def test_a_floor_that_is_chosen_has_to_fit_and_a_sysroots_is_left_to_the_audit(project: Workspace) -> None:
    old = contract(glibc="2.12")
    zig, clang = toolchain_spec(ToolchainWish(name="zig"), project), toolchain_spec(ON_ROOT, project)
    assert problems(zig, old) == ["acme.yaml: toolchain 'zig' links for glibc 2.17, 'Acme box' has 2.12"]
    assert problems(clang, old) == []
    assert glibc_beyond(clang, old) and not glibc_beyond(clang, contract())


def test_an_unknown_key_is_answered_with_those_of_its_kind(project: Workspace) -> None:
    write(project.project / "toolchains" / "clang.yaml", CLANG + "floor: '2.17'\n")
    with pytest.raises(ConfigError, match="unknown key 'floor'") as caught:
        load_toolchain_recipe(project.project / "toolchains" / "clang.yaml")
    assert "host" in caught.value.hint and "floor" not in caught.value.hint
    write(project.project / "toolchains" / "clang.yaml", CLANG.replace("clang\n", "clamg\n"))
    with pytest.raises(ConfigError, match="kind: invalid enum value 'clamg'"):
        load_toolchain_recipe(project.project / "toolchains" / "clang.yaml")


# ---- A project's wishes ----


def project_with(ws: Workspace, toolchain: str) -> Path:
    write(ws.project / "CMakeLists.txt", "project(guard)\n")
    text = f"name: guard\nversion: '1'\ntargets: [generic-*]\ntoolchain: {toolchain}\n"
    write(ws.project / "edgebuild.yaml", text)
    return ws.project


def test_a_project_says_per_row_which_toolchain_it_wants(project: Workspace) -> None:
    loaded = load_project(project_with(project, "{arm64: {name: clang, sysroot: root}, default: zig}"))
    wish = loaded.toolchain_of("generic-arm64")
    assert (wish, loaded.toolchain_of("generic-x86_64")) == (ON_ROOT, ToolchainWish(name="zig"))
    spec = load_target("generic-arm64", project, wished=wish, where="edgebuild.yaml")
    assert spec.toolchain.words == "clang against root, glibc 2.31"
    assert load_target("generic-arm64", project).toolchain.name == "zig"


@pytest.mark.parametrize(
    ("toolchain", "message"),
    [
        ("{arn64: zig}", "toolchain: no target named 'arn64'"),
        ("{'generic-*': zig}", r"toolchain: 'generic-\*' is a family"),
        ("{arm64: zig, generic-arm64: zig}", "'generic-arm64' is 'generic-arm64', which stands there already"),
        ("{arm64: {nane: zig}}", "unknown key 'nane'"),
    ],
)
def test_a_wish_that_means_no_row_is_refused(toolchain: str, message: str, project: Workspace) -> None:
    with pytest.raises((ConfigError, ConfigErrors), match=message):
        load_project(project_with(project, toolchain))


def test_a_wish_for_a_toolchain_that_is_not_there_is_told_with_its_file(project: Workspace) -> None:
    with pytest.raises(ConfigErrors, match="no toolchain named 'clag'"):
        load_target("generic-arm64", project, wished=ToolchainWish(name="clag"), where="edgebuild.yaml")
    with pytest.raises(ConfigErrors, match=r"edgebuild\.yaml: toolchain 'clang' has no C library"):
        load_target("generic-arm64", project, wished=ToolchainWish(name="clang"), where="edgebuild.yaml")


# ---- What comes out ----


def nothing(command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
    return Completed(0)


@pytest.fixture
def spec(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> ToolchainSpec:
    """The clang, with an unpacked sysroot in the cache and nothing in its wheels."""
    for module in (toolchain_zig, toolchain_wheels):
        monkeypatch.setattr(module, "host_arch", lambda: ARCHES["x86_64"])
    monkeypatch.setattr("edgebuild.build.toolchain_zig.provide_tools", lambda *_, **__: (Path("/wheels"), "w"))
    monkeypatch.setattr("edgebuild.build.toolchain_clang.provide_tools", lambda *_, **__: (Path("/wheels"), "w"))
    wished = toolchain_spec(ON_ROOT, project)
    assert wished.sysroot
    root = project.product("sysroots", "root", sysroot_digest(wished.sysroot.recipe, wished.sysroot.lock))
    for place in ("usr/lib/aarch64-linux-gnu/crt1.o", "usr/include/stdio.h", "usr/include/c++/10/iostream"):
        write(root / place, "")
    for place in ("crtbegin.o", "libgcc.a"):
        write(root / "usr/lib/gcc/aarch64-linux-gnu/10" / place, "")
    return wished


def test_clang_is_told_the_sysroot_and_its_gcc_and_cmake_looks_there_alone(
    spec: ToolchainSpec, project: Workspace
) -> None:
    toolchain = provide_toolchain(spec, ARCHES["aarch64"], ws=project, run=nothing)
    assert (toolchain.floor, toolchain.label, toolchain.static_runtime) == ("2.31", "aarch64-clang-root", False)
    root = toolchain.sysroot
    script = toolchain.cxx.read_text()
    for word in ("clang --driver-mode=g++", "--target=aarch64-linux-gnu", f"--sysroot={root}", "-march=armv8-a"):
        assert word in script
    assert f"--gcc-install-dir={root}/usr/lib/gcc/aarch64-linux-gnu/10" in script
    assert script.index("--start-no-unused-arguments") < script.index("--ld-path=") < script.index("--end-no-unused")
    assert "-nostdinc++" not in toolchain.cc.read_text()
    assert "zig/" not in toolchain.cc.read_text().replace("ziglang/", ""), "none of zig's own cache"
    assert "-x86_64" in str(toolchain.host_cc), "code generators come from the toolchain that host: names"
    cmake = render_toolchain_file(toolchain, prefixes=(Path("/deps"),), prefix_map={Path("/src"): "src"})
    assert f'set(CMAKE_SYSROOT "{root}")' in cmake and 'set(CMAKE_FIND_ROOT_PATH "/deps")' in cmake
    profile = render_profile(toolchain, Path("/tc.cmake")).splitlines()
    assert {"compiler=clang", "compiler.libcxx=libstdc++11"} <= {*profile}


def test_pkg_config_finds_what_the_sysroot_has_and_nothing_of_this_machine(
    spec: ToolchainSpec, project: Workspace
) -> None:
    assert spec.sysroot
    root = project.product("sysroots", "root", sysroot_digest(spec.sysroot.recipe, spec.sysroot.lock))
    text = (
        "prefix=/usr\nlibdir=${prefix}/lib\nurl=http://x/y\n"
        "Name: gst\nLibs: -L/opt/sdk/lib -lgst\nCflags: -I${prefix}/gst -I/usr/x\n"
    )
    write(root / "usr/lib/aarch64-linux-gnu/pkgconfig/gst.pc", text)
    write(root / "usr/local/lib/pkgconfig/both.pc", "prefix=/usr/local\n")
    write(root / "usr/share/pkgconfig/both.pc", "prefix=/usr\n")
    toolchain = provide_toolchain(spec, ARCHES["aarch64"], ws=project, run=nothing)
    assert toolchain.pkgconfig
    relocated = text.replace("=/usr", f"={root}/usr")
    relocated = relocated.replace("-L/opt", f"-L{root}/opt").replace("-I/usr", f"-I{root}/usr")
    assert (toolchain.pkgconfig / "gst.pc").read_text() == relocated
    assert (toolchain.pkgconfig / "both.pc").read_text() == f"prefix={root}/usr/local\n"
    cmake = render_toolchain_file(toolchain, prefixes=(Path("/deps"),), prefix_map={})
    folders = f"/deps/lib/pkgconfig:/deps/share/pkgconfig:{toolchain.pkgconfig}"
    assert f'set(ENV{{PKG_CONFIG_LIBDIR}} "{folders}")' in cmake


def test_the_digest_follows_the_sysroot(spec: ToolchainSpec, project: Workspace) -> None:
    first = provide_toolchain(spec, ARCHES["aarch64"], ws=project, run=nothing).digest
    write_recipe(project.project / "sysroots" / "root.yaml", ROOT, LOCK.replace("none", "other"))
    other = toolchain_spec(ON_ROOT, project)
    assert other.sysroot
    root = project.product("sysroots", "root", sysroot_digest(other.sysroot.recipe, other.sysroot.lock))
    write(root / "usr/lib/crt1.o", "")
    write(root / "usr/include/stdio.h", "")
    assert provide_toolchain(other, ARCHES["aarch64"], ws=project, run=nothing).digest != first


def test_a_sysroot_without_development_files_is_refused_before_anything_is_compiled(
    spec: ToolchainSpec, project: Workspace
) -> None:
    assert spec.sysroot
    root = project.product("sysroots", "root", sysroot_digest(spec.sysroot.recipe, spec.sysroot.lock))
    (root / "usr/include/stdio.h").unlink()
    with pytest.raises(ConfigError, match=r"sysroot 'root' has no crt1\.o or no stdio\.h") as caught:
        provide_toolchain(spec, ARCHES["aarch64"], ws=project, run=nothing)
    assert "libc6-dev" in caught.value.hint
