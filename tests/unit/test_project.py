"""edgebuild.yaml is read strictly: what cannot work is said at once, with its place and a way on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgebuild.config.cmakelists import stated_name, stated_programs, stated_version
from edgebuild.config.project import load_project, project_version, require_releasable
from edgebuild.errors import ConfigError, ConfigErrors
from edgebuild.model.project import HealthSpec, Project, command_words
from edgebuild.run import run
from edgebuild.workspace import find_project, shipped_data

WHOLE = """\
name: store-guard
version: git
source: {cmake: ., conan: conanfile.txt, variables: {GUARD_TESTS: "OFF"}}
targets: ["generic-*", arm64]
format: {default: tarball, arm64: [tarball, image]}
run: bin/store_guard --config ${STATE}/site.yaml "--title=two words"
health: {url: "http://127.0.0.1:8080/health", timeout: 3m, for: 90s}
"""
LEAST = 'name: guard\nversion: "1.2.3"\ntargets: [desk]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with sources but without edgebuild.yaml."""
    (tmp_path / "CMakeLists.txt").write_text("project(guard VERSION 2.3.1 LANGUAGES CXX)\n")
    (tmp_path / "conanfile.txt").write_text("[requires]\nlibjpeg-turbo/2.1.5\n")
    return tmp_path


def load(folder: Path, text: str) -> Project:
    (folder / "edgebuild.yaml").write_text(text)
    return load_project(folder)


def errors_of(folder: Path, text: str) -> list[ConfigError]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return list(caught.value.errors) if isinstance(caught.value, ConfigErrors) else [caught.value]


def test_aliases_and_families_become_rows_once_each(folder: Path) -> None:
    project = load(folder, WHOLE)
    assert project.targets == ("generic-arm64", "generic-x86_64")
    assert project.formats_of("generic-arm64") == ("tarball", "image")
    assert project.formats_of("generic-x86_64") == ("tarball",)
    assert project.source.variables == {"GUARD_TESTS": "OFF"}
    assert project.health == HealthSpec(url="http://127.0.0.1:8080/health", timeout="3m", for_="90s")


def test_three_keys_are_enough(folder: Path) -> None:
    assert load(folder, LEAST).formats_of("generic-x86_64") == ("tarball",)


def test_the_core_is_a_project_too() -> None:
    core = shipped_data() / "cpp_core"
    project = load_project(core)
    assert project_version(project, core, run) == stated_version(core / "CMakeLists.txt")
    assert project.name == stated_name(core / "CMakeLists.txt") == "edgecore"


def test_a_folder_without_the_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"edgebuild\.yaml: no such file") as caught:
        load_project(tmp_path)
    assert "edgebuild init" in caught.value.hint


def test_the_project_is_found_from_below(folder: Path) -> None:
    (folder / "edgebuild.yaml").write_text(LEAST)
    below = folder / "src" / "deep"
    below.mkdir(parents=True)
    assert find_project(below) == find_project(folder) == folder
    assert find_project(folder.parent) is None


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("tragets: [desk]", "unknown key 'tragets'", "did you mean 'targets'?"),
        ("health: {cmd: bin/x, tiemout: 3s}\nrun: bin/x", "health: unknown key 'tiemout'", "did you mean 'timeout'?"),
        ("source: {conan: nope.txt}", "source.conan: ", "conanfile.txt or conanfile.py"),
        ("source: {cmake: src}", "source.cmake: there is no CMakeLists.txt in ", "relative to edgebuild.yaml"),
        ("source: {cmake: /opt/x}", "source.cmake: /opt/x is a path of this machine", "relative to edgebuild.yaml"),
        ("source: {variables: {CMAKE_CXX_COMPILER: gcc}}", "CMAKE_CXX_COMPILER is what edgebuild itself sets", "leave"),
        ("source: {variables: {'A B': x}}", "'A B' cannot be set on CMake's command line", ""),
        ("format: {desc: image}", "format: no target named 'desc'", "did you mean 'desk'?"),
        ("format: {desk: []}", "format.desk: the list is empty", "tarball, image"),
        ("format: {desk: imgae}", "invalid enum value 'imgae'", ""),
        ("format: {'generic-*': image}", "format: 'generic-*' is a family", "`default`"),
        ("format: {desk: image, generic-x86_64: tarball}", "format: 'generic-x86_64' is 'generic-x86_64', which", ""),
        ("run: bin/x $HOME/y", "run: '$HOME/y' is not replaced by anything", "${APP}, ${STATE}, ${RUN}"),
        ("run: bin/x ${HOME}/y", "run: '${HOME}' is not replaced by anything", "${APP}, ${STATE}, ${RUN}"),
        ("run: bin/x $(id)", "run: '$(id)' is not replaced by anything", ""),
        ("run: bin/x && bin/y", "run: '&&' is shell syntax", "into a script"),
        ("run: bin/x>y", "run: '>' is shell syntax", ""),
        ("run: bin/x `id`", "run: '`' is shell syntax", ""),
        ('run: "bin/x\\nbin/y"', "run: 'a second line' is shell syntax", ""),
        ("run: bin/x 'y", "run: no closing quotation", "its partner"),
        ("run: /usr/bin/x", "run: '/usr/bin/x' is not a path in the installed tree", "bin/x"),
        ("run: x --loud", "run: 'x' is not a path in the installed tree", "bin/x"),
        ("run: ../bin/x", "run: '../bin/x' is not a path in the installed tree", "bin/x"),
        ("run: ${STATE}/x", "run: '${STATE}/x' is not a path in the installed tree", "bin/x"),
        ("health: {cmd: bin/x}", "health: there is no `run`", ""),
        ("run: bin/x\nhealth: {}", "health: say either cmd or url", ""),
        ("run: bin/x\nhealth: {cmd: bin/x, url: 'http://a/'}", "health: say either cmd or url", ""),
        ("run: bin/x\nhealth: {url: localhost}", "health.url: 'localhost' is not an http address", "http://127.0.0.1"),
        ("run: bin/x\nhealth: {cmd: test -e x}", "health.cmd: 'test' is not a path in the installed tree", ""),
        ("run: bin/x\nhealth: {cmd: bin/x, timeout: 0s}", "health.timeout: nothing becomes well in no time", "60s"),
        ('run: bin/x\nhealth: {cmd: bin/x, timeout: "60s\\n"}', "health.timeout: expected 'str' matching regex", ""),
        ("run: bin/x\nhealth: {cmd: bin/x, timeout: soon}", "health.timeout: expected 'str' matching regex", ""),
    ],
)
def test_a_mistake_is_named_with_its_place_and_a_way_on(folder: Path, line: str, message: str, hint: str) -> None:
    (error,) = errors_of(folder, f"{LEAST}{line}\n")
    assert error.message.startswith(f"{folder / 'edgebuild.yaml'}: ")
    assert message in error.message
    assert hint in error.hint


def test_all_mistakes_are_said_at_once(folder: Path) -> None:
    text = 'name: guard\nversion: "1 2"\ntargets: [dekk, gneeric-arm64]\nformat: {arm65: image}\nrun: x\n'
    messages = [error.message.removeprefix(f"{folder / 'edgebuild.yaml'}: ") for error in errors_of(folder, text)]
    starts = ["version: '1 2'", "run: 'x'", "targets[0]: no", "targets[1]: no", "format: no"]
    assert [text.startswith(start) for text, start in zip(messages, starts, strict=True)] == [True] * 5


@pytest.mark.parametrize("line", ["version: 1.2", "name: Store_Guard", 'name: "guard\\n"', "targets: []"])
def test_what_would_not_survive_as_a_name_or_number_is_refused(folder: Path, line: str) -> None:
    kept = [each for each in LEAST.splitlines() if each.split(":")[0] != line.split(":")[0]]
    (error,) = errors_of(folder, "\n".join([*kept, line]))
    assert line.split(":")[0] in error.message


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("bin/x --config ${STATE}/a", ("bin/x", "--config", "${STATE}/a")),
        (
            "${APP}/bin/x 'two words' '#no comment' 'a;b' \"(c)\"",
            ("${APP}/bin/x", "two words", "#no comment", "a;b", "(c)"),
        ),
        ("bin/x *.jpg ~ a=b #1", ("bin/x", "*.jpg", "~", "a=b", "#1")),
    ],
)
def test_words_are_split_as_people_quote_them_and_nothing_else_happens(
    folder: Path, command: str, words: tuple[str, ...]
) -> None:
    quoted = command.replace("'", "''")
    assert command_words(load(folder, f"{LEAST}run: '{quoted}'\n").run) == words


# ---- The version ----


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(folder: Path) -> Path:
    (folder / "edgebuild.yaml").write_text(WHOLE)
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


def test_a_tag_is_the_version_until_the_tree_differs(repository: Path) -> None:
    project = load_project(repository)
    git(repository, "tag", "v2.3.1")
    (repository / "out").mkdir()
    (repository / "out" / "product").touch()  # edgebuild's own
    assert project_version(project, repository, run) == "2.3.1"
    require_releasable("2.3.1")
    (repository / "new.cc").touch()
    version = project_version(project, repository, run)
    assert version == "2.3.1+dirty"
    with pytest.raises(ConfigError, match=r"2\.3\.1\+dirty: the tree has changes") as caught:
        require_releasable(version)
    assert "git status" in caught.value.hint


def test_a_projects_own_files_in_a_folder_called_build_count_too(repository: Path) -> None:
    own = repository / "build" / "rules.cmake"
    own.parent.mkdir()
    own.write_text("first")
    git(repository, "add", "build")
    git(repository, "commit", "-m", "rules")
    git(repository, "tag", "v3.0.0")
    (own.parent / "guard-zig-aarch64").mkdir()
    (own.parent / "guard-zig-aarch64" / "object.o").touch()  # edgebuild's own
    project = load_project(repository)
    assert project_version(project, repository, run) == "3.0.0"
    own.write_text("second")
    assert project_version(project, repository, run) == "3.0.0+dirty"


def test_a_commit_after_the_tag_has_a_version_of_its_own(repository: Path) -> None:
    git(repository, "tag", "v2.3.1")
    git(repository, "commit", "--allow-empty", "-m", "second")
    assert project_version(load_project(repository), repository, run).startswith("2.3.1-1-g")


def test_a_repository_without_a_tag_says_so(repository: Path) -> None:
    with pytest.raises(ConfigError, match="git knows no version of it: No names found") as caught:
        project_version(load_project(repository), repository, run)
    assert "git tag v0.1.0" in caught.value.hint


def test_a_tag_that_cannot_be_a_file_name_is_refused(repository: Path) -> None:
    git(repository, "tag", "release/2")
    with pytest.raises(ConfigError, match="'release/2' cannot be a version"):
        project_version(load_project(repository), repository, run)


def test_cmake_states_the_version(folder: Path) -> None:
    project = load(folder, LEAST.replace('"1.2.3"', "cmake"))
    assert project_version(project, folder, run) == "2.3.1"
    (folder / "CMakeLists.txt").write_text("project(guard VERSION ${FROM_SOMEWHERE})\n")
    with pytest.raises(ConfigError, match="states no VERSION"):
        project_version(project, folder, run)


def test_what_is_read_from_a_cmakelists(tmp_path: Path) -> None:
    lists = tmp_path / "CMakeLists.txt"
    lists.write_text(
        "# project(old VERSION 0.1)\n#[[ project(older\nVERSION 0.0) ]]\n"
        'Project ( "store-guard"\n  VERSION 1.2.3 # the version\n  LANGUAGES C)\n'
        "add_executable(guard main.c)\nadd_executable(${X} y.c)\nADD_EXECUTABLE( probe p.c )\n"
    )
    assert (stated_name(lists), stated_version(lists)) == ("store-guard", "1.2.3")
    assert stated_programs(lists) == ("guard", "probe")
    assert (stated_name(tmp_path / "none"), stated_version(tmp_path / "none")) == ("", "")


@pytest.mark.parametrize(
    ("formats", "without_base"),
    [
        ("{default: [tarball, image]}", ("tarball",)),
        ("{default: image}", ("image",)),
        ("{generic-x86_64: [tarball, image]}", ("tarball", "image")),
    ],
    ids=["beside another", "alone", "asked of the row"],
)
def test_a_default_image_is_left_out_where_a_row_has_no_base_unless_nothing_would_be_left(
    folder: Path, formats: str, without_base: tuple[str, ...]
) -> None:
    project = load(folder, f"{LEAST}run: bin/guard\nformat: {formats}\n")
    assert project.formats_of("generic-x86_64", has_base=False) == without_base
    assert "image" in project.formats_of("generic-x86_64", has_base=True)
