"""A user's project: what of its installed files ships, and when it is compiled again."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from edgebuild.build.project import bundle_libraries, lay_out, provide_project, source_digest
from edgebuild.config.targets import load_target
from edgebuild.errors import BuildError, ConfigError
from edgebuild.model.product import Toolchain
from edgebuild.model.project import HealthSpec, Project, SourceSpec
from edgebuild.run import Command, Completed, run
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf
from tests.toolchains import TOOLCHAIN

PROJECT = Project(name="guard", version="1.0", targets=("generic-arm64",), run="bin/guard --config ${STATE}/a")


class FakeTools:
    """CMake and Conan: install puts `installs` below DESTDIR, path -> content or, as text, a symlink's target."""

    def __init__(self, **installs: bytes | str) -> None:
        self.installs = installs or {"app/bin/guard": write_elf(Elf())}
        self.commands: list[Command] = []

    def __call__(self, command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
        if command.argv[0] == "git":
            return run(command, log_file=log_file, check=check)
        self.commands.append(command)
        if command.argv[1] == "--install":
            for name, content in self.installs.items():
                place = Path(command.env["DESTDIR"] or "/nowhere") / name
                if isinstance(content, str):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(content)
                else:
                    put(place, content)
        return Completed(0)


def put(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


@pytest.fixture
def mine(ws: Workspace) -> Workspace:
    """A workspace whose project has a CMakeLists.txt, a source and a licence."""
    put(ws.project / "CMakeLists.txt", b"project(guard)")
    put(ws.project / "src" / "main.cc", b"int main() {}")
    put(ws.project / "LICENSE", b"free")
    return ws


def build(ws: Workspace, tools: FakeTools, project: Project = PROJECT, toolchain: Toolchain = TOOLCHAIN) -> Path:
    return provide_project(project, ws.project, load_target("generic-arm64", ws), toolchain, ws=ws, run=tools)


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_a_second_call_does_nothing_and_a_changed_source_compiles_again(mine: Workspace) -> None:
    tools = FakeTools()
    first = build(mine, tools)
    started = len(tools.commands)
    put(mine.project / "build" / "guard-zig-aarch64" / "object.o")
    put(mine.out / "generic-arm64" / "archive.tar.gz")
    assert build(mine, tools) == first
    assert len(tools.commands) == started == 3
    put(mine.project / "src" / "main.cc", b"int main() { return 1; }")
    put(mine.project / "src" / "build" / "table.inc")  # only the top-level build/ is ours
    assert build(mine, tools) != first


@pytest.mark.parametrize("edit", ["changed", "deleted", "added"])
def test_what_was_compiled_from_other_sources_than_it_is_called_after_is_not_kept(mine: Workspace, edit: str) -> None:
    """An editor that saves in the middle; a build that writes a new file beside its sources does no harm."""
    source = mine.project / "src" / "main.cc"

    class Edited(FakeTools):
        def __call__(self, command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
            if command.argv[1] == "--build" and edit == "deleted":
                source.unlink()
            elif command.argv[1] == "--build":
                put(source if edit == "changed" else source.with_name("new.h"), b"other")
            return super().__call__(command, log_file=log_file, check=check)

    if edit == "added":
        assert (build(mine, Edited()) / "bin/guard").is_file()
        return
    with pytest.raises(BuildError, match="sources changed while they were compiled"):
        build(mine, Edited())
    put(source, b"int main() {}")
    again = FakeTools()
    build(mine, again)
    assert len(again.commands) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"toolchain": msgspec.structs.replace(TOOLCHAIN, digest="d2")},
        {"project": msgspec.structs.replace(PROJECT, source=SourceSpec(variables={"FAST": "ON"}))},
    ],
    ids=["compiler", "variable"],
)
def test_what_decides_the_bytes_decides_the_product(mine: Workspace, change: dict[str, Toolchain | Project]) -> None:
    assert build(mine, FakeTools()) != build(mine, FakeTools(), **change)  # type: ignore[arg-type]


def test_the_build_looks_for_nothing_on_this_machine(mine: Workspace) -> None:
    tools = FakeTools()
    build(mine, tools)
    configure, _, install = (command.argv for command in tools.commands)
    assert {"-DCMAKE_INSTALL_RPATH=$ORIGIN/../lib", "-DCMAKE_INSTALL_PREFIX=/app"} <= {*configure}
    assert "--prefix" not in install, "what is installed by absolute path would miss DESTDIR's prefix"
    text = (mine.build_tree("guard-zig-aarch64") / "toolchain.cmake").read_text()
    (root,) = (line.split('"')[1] for line in text.splitlines() if line.startswith("set(CMAKE_FIND_ROOT_PATH "))
    assert root and Path(root).is_dir(), "without any folder CMake searches the build machine"
    assert f'set(ENV{{PKG_CONFIG_LIBDIR}} "{root}/lib/pkgconfig:{root}/share/pkgconfig")' in text


def test_a_folder_with_a_space_in_its_name_is_quoted_for_the_shell_and_stranger_ones_are_refused(ws: Workspace) -> None:
    spaced = replace(ws, project=ws.project.with_name("my guard"))
    put(spaced.project / "CMakeLists.txt")
    build(spaced, FakeTools())
    text = (spaced.build_tree("guard-zig-aarch64") / "toolchain.cmake").read_text()
    flags = shlex.split(next(line for line in text.splitlines() if "CMAKE_CXX_FLAGS_INIT" in line).split('"')[1])
    assert f"-ffile-prefix-map={spaced.project}=guard" in flags
    quoted = replace(ws, project=ws.project.with_name("it's"))
    put(quoted.project / "CMakeLists.txt", b"# another")
    with pytest.raises(ConfigError, match="a folder with such a name"):
        build(quoted, FakeTools())


def test_variables_of_the_user_reach_cmake_but_not_our_own_places(mine: Workspace) -> None:
    tools = FakeTools()
    build(mine, tools, msgspec.structs.replace(PROJECT, source=SourceSpec(variables={"CMAKE_BUILD_TYPE": "Release"})))
    words = tools.commands[0].argv
    assert [word for word in words if word.startswith("-DCMAKE_BUILD_TYPE=")] == ["-DCMAKE_BUILD_TYPE=Release"]


def test_another_toolchain_starts_the_tree_anew(mine: Workspace) -> None:
    build(mine, FakeTools())
    left = put(mine.build_tree("guard-zig-aarch64") / "object.o")
    put(mine.project / "src" / "main.cc", b"changed")
    build(mine, FakeTools())
    assert left.exists(), "a change of the sources compiles what it touches"
    build(mine, FakeTools(), toolchain=msgspec.structs.replace(TOOLCHAIN, digest="d2"))
    assert not left.exists()


def test_a_librarys_links_stay_links(mine: Workspace) -> None:
    elf = write_elf(Elf())
    tools = FakeTools(**{"app/bin/guard": elf, "app/lib/libg.so.1.2": elf, "app/lib/libg.so.1": "libg.so.1.2"})
    assert (build(mine, tools) / "lib" / "libg.so.1").readlink() == Path("libg.so.1.2")


def test_what_is_installed_beside_the_prefix_is_refused(mine: Workspace) -> None:
    elf = write_elf(Elf())
    tools = FakeTools(**{"app/bin/guard": elf, "etc/guard.conf": b"", "usr/local/bin/other": elf})
    with pytest.raises(BuildError, match=r"2 files beside its prefix: /etc/guard\.conf, /usr/local/bin/other"):
        build(mine, tools)


def test_a_build_that_installs_no_program_says_what_is_missing(mine: Workspace) -> None:
    with pytest.raises(BuildError, match="installs no program and no library") as caught:
        build(mine, FakeTools(**{"app/share/readme": b""}))
    assert "install(TARGETS" in caught.value.hint


@pytest.mark.parametrize(
    ("project", "message"),
    [
        (msgspec.structs.replace(PROJECT, run="bin/gaurd"), "run: the build installs no program 'bin/gaurd'"),
        (msgspec.structs.replace(PROJECT, run="${APP}/bin/gaurd"), "run: the build installs no program"),
        (msgspec.structs.replace(PROJECT, health=HealthSpec(cmd="bin/check")), "health.cmd: the build installs no"),
    ],
    ids=["run", "app", "health"],
)
def test_a_program_that_is_not_installed_is_told_at_build_time(mine: Workspace, project: Project, message: str) -> None:
    with pytest.raises(ConfigError, match=r"edgebuild\.yaml") as caught:
        build(mine, FakeTools(), project)
    assert message in caught.value.message
    assert caught.value.hint == "it installs bin/guard."


def test_the_sdk_and_manuals_stay_at_home(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    kept = {
        "bin/guard",
        "lib/libguard.so.1",
        "lib/libguard.so",
        "share/guard/model.cfg",
        "share/licenses/guard/COPYING",
    }
    for name in ("include/guard/a.h", "lib/libguard.a", "lib/cmake/guard/guardConfig.cmake", "lib/pkgconfig/guard.pc",
                 "share/guard/cmake/x.cmake", "share/man/man1/guard.1", "share/guard/model.cfg"):  # fmt: skip
        put(stage / name)
    put(stage / "bin" / "guard", write_elf(Elf(needed=["libguard.so.1"])))
    put(stage / "lib" / "libguard.so.1", write_elf(Elf(soname="libguard.so.1")))
    (stage / "lib" / "libguard.so").symlink_to("libguard.so.1")
    put(tmp_path / "source" / "COPYING", b"terms")
    lay_out(stage, tmp_path / "source", "guard", None)
    assert files_of(stage) == kept
    assert not (stage / "include").exists() and not (stage / "lib" / "cmake").exists()


def test_needed_libraries_come_along_with_what_they_need_and_nothing_else(tmp_path: Path) -> None:
    stage, libraries = tmp_path / "stage", tmp_path / "deps" / "lib"
    put(stage / "bin" / "guard", write_elf(Elf(needed=["liba.so.1", "libown.so.2", "libc.so.6"])))
    put(stage / "lib" / "libown.so.2", write_elf(Elf(soname="libown.so.2")))
    put(libraries / "liba.so.1.2.3", write_elf(Elf(soname="liba.so.1", needed=["libb.so.1"])))
    (libraries / "liba.so.1").symlink_to("liba.so.1.2.3")
    put(libraries / "libb.so.1", write_elf(Elf(soname="libb.so.1", needed=["liba.so.1"])))
    put(libraries / "libunused.so.1", write_elf(Elf()))
    put(libraries / "libown.so.2", b"another one of that name")
    bundle_libraries(stage, libraries)
    assert files_of(stage) == {"bin/guard", "lib/libown.so.2", "lib/liba.so.1", "lib/libb.so.1"}
    assert not (stage / "lib" / "liba.so.1").is_symlink()
    assert (stage / "lib" / "libown.so.2").read_bytes().startswith(b"\x7fELF")


def test_licences_of_linked_libraries_ship(tmp_path: Path) -> None:
    stage, deps = tmp_path / "stage", tmp_path / "deps"
    put(stage / "bin" / "guard", write_elf(Elf()))
    put(deps / "licenses" / "libjpeg-turbo" / "LICENSE.md", b"terms")
    lay_out(stage, tmp_path, "guard", deps)
    assert files_of(stage) == {"bin/guard", "share/licenses/libjpeg-turbo/LICENSE.md"}


# ---- What counts as source ----


def digest(ws: Workspace, project: Project = PROJECT) -> str:
    return source_digest(project, ws.project, ws=ws, run=run)


def test_a_repository_counts_what_git_has_and_would_take(mine: Workspace) -> None:
    put(mine.project / ".gitignore", b"*.tmp\n")
    subprocess.run(["git", "init", "-q"], cwd=mine.project, check=True)
    subprocess.run(["git", "add", "CMakeLists.txt", "src"], cwd=mine.project, check=True)
    first = digest(mine)
    put(mine.project / "notes.tmp")
    put(mine.project / "build" / "x" / "object.o")
    ours = replace(mine, out=mine.project / "out")
    put(ours.out / "archive.tar.gz")
    assert digest(ours) == first
    untracked = put(mine.project / "src" / "new.cc")
    changed = digest(ours)
    untracked.unlink()
    (mine.project / "src" / "main.cc").unlink()  # git still lists it
    assert len({first, changed, digest(ours)}) == 3


def test_a_folder_that_a_repository_ignores_counts_whole(mine: Workspace) -> None:
    put(mine.project.parent / ".gitignore", b"project/\n")
    subprocess.run(["git", "init", "-q"], cwd=mine.project.parent, check=True)
    first = digest(mine)
    put(mine.project / "src" / "main.cc", b"changed")
    assert digest(mine) != first


def test_sources_above_the_file_count_too(mine: Workspace) -> None:
    packaging = mine.project / "packaging"
    packaging.mkdir()
    project = msgspec.structs.replace(PROJECT, source=SourceSpec(cmake=".."))
    first = source_digest(project, packaging, ws=mine, run=run)
    put(mine.project / "src" / "main.cc", b"changed")
    assert source_digest(project, packaging, ws=mine, run=run) != first


def test_a_pipe_among_the_sources_is_not_waited_for(mine: Workspace) -> None:
    first = digest(mine)
    os.mkfifo(mine.project / "src" / "debugger")
    assert digest(mine) == first
