"""edgebuild.yaml: read, and everything in it that cannot work said at once, before the first download."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from edgebuild.config.cmakelists import stated_version
from edgebuild.config.targets import resolve_names, row_names
from edgebuild.config.yaml import load_yaml
from edgebuild.errors import BuildError, ConfigError, ConfigErrors, NotAvailable
from edgebuild.model.contract import Waiver
from edgebuild.model.project import Format, HealthSpec, Project, SourceSpec, command_words, seconds
from edgebuild.run import Command, Runner
from edgebuild.workspace import PROJECT_FILE

T = TypeVar("T")
_Wish = Format | tuple[Format, ...]

RUN_VARIABLES = ("APP", "STATE", "RUN")
_DIRTY = "+dirty"
_DEFAULT = "default"
# In file names, in image tags and in folders of a box.
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}")
_VARIABLE = re.compile(r"\$(\{(?P<name>\w+)\})?")
_OPERATORS = set("();<>|&")
# What edgebuild itself tells CMake: a value of the user's would build for another machine or into another folder.
_OURS = re.compile(
    r"CMAKE_(TOOLCHAIN_FILE|INSTALL_PREFIX|INSTALL_LIBDIR|INSTALL_RPATH|PREFIX_PATH|FIND_ROOT_PATH.*|SYSTEM_.*|SYSROOT"
    r"|MAKE_PROGRAM|(C|CXX)_COMPILER|AR|RANLIB|NM|STRIP|OBJCOPY)"
)


def load_project(folder: Path) -> Project:
    """The project of a folder. `targets` and the keys of `format` and `toolchain` are row names afterwards.

    Raises ConfigError, or ConfigErrors with every problem found.
    """
    path = folder / PROJECT_FILE
    if not path.is_file():
        msg = f"{path}: no such file"
        raise ConfigError(msg, "`edgebuild init` writes one for the project in a folder.")
    project = load_yaml(path, Project)
    errors = [
        *_version_problems(project.version),
        *_source_problems(project.source, folder),
        *_command_problems("run", project.run),
        *(_health_problems(project.health, project.run) if project.health else ()),
        *_waiver_problems(project.waivers),
    ]
    rows = _rows(project.targets, errors)
    formats = _formats(project.format, errors)
    toolchains = _by_row("toolchain", project.toolchain, errors)
    if errors:
        raise ConfigErrors([ConfigError(f"{path}: {error.message}", error.hint) for error in errors])
    return msgspec.structs.replace(project, targets=rows, format=formats, toolchain=toolchains)


def project_version(project: Project, folder: Path, run: Runner) -> str:
    """The version that artifacts carry. "git" in a tree that differs from its commit gives "1.2.3+dirty".

    Raises ConfigError when git or CMakeLists.txt do not say.
    """
    if project.version == "git":
        return _git_version(folder, run)
    if project.version != "cmake":
        return project.version
    lists = folder / project.source.cmake / "CMakeLists.txt"
    if version := stated_version(lists):
        return version
    msg = f"{lists}: its project() states no VERSION, which `version: cmake` in {PROJECT_FILE} asks for"
    raise ConfigError(msg, "write project(NAME VERSION 1.2.3 ...), or the version itself into edgebuild.yaml.")


def require_releasable(version: str) -> None:
    """A release must be what a commit says. Raises ConfigError for a dirty tree's version."""
    if version.endswith(_DIRTY):
        msg = f"{version}: the tree has changes that no commit has, so it cannot be released"
        raise ConfigError(msg, "commit them (`git status` shows which); building and running work without.")


def _git_version(folder: Path, run: Runner) -> str:
    def git(*words: str) -> str:
        return run(Command("git", "-C", folder, *words, env={"LC_ALL": "C"})).stdout.strip()

    try:
        tag = git("describe", "--tags")
        # Files that git does not know count: the build may take them. What edgebuild itself writes does not.
        changes = git("status", "--porcelain", "--untracked-files=no", "--", ":/")
        changes += git("ls-files", "--others", "--exclude-standard", "--", ":/", ":(exclude)out", ":(exclude)build")
    except BuildError as err:
        said = next((line for line in err.message.splitlines() if "fatal:" in line), err.message).strip(" |")
        msg = f"{folder}: git knows no version of it: {said.removeprefix('fatal: ')}"
        raise ConfigError(msg, 'tag a commit (`git tag v0.1.0`), or say `version: "0.1.0"` or `cmake`.') from err
    except NotAvailable as err:
        msg = "`version: git` in edgebuild.yaml needs git, which is not here"
        raise ConfigError(msg, "install git, or write the version itself into edgebuild.yaml.") from err
    version = re.sub(r"^v(?=\d)", "", tag)
    if not _VERSION.fullmatch(version):
        msg = f"{folder}: git's tag '{tag}' cannot be a version, which goes into file names"
        raise ConfigError(msg, "use a tag like v1.2.3.")
    return version + (_DIRTY if changes else "")


# ---- What can be wrong. Each gives errors without the file's name. ----


def _version_problems(version: str) -> Iterator[ConfigError]:
    if not _VERSION.fullmatch(version):
        msg = f"version: '{version}' cannot be a version"
        yield ConfigError(msg, "use letters, digits and . _ + - (at most 64), or the word git or cmake.")


def _source_problems(source: SourceSpec, folder: Path) -> Iterator[ConfigError]:
    for key, place in (("cmake", source.cmake), ("conan", source.conan)):
        if Path(place).is_absolute():
            msg = f"source.{key}: {place} is a path of this machine"
            yield ConfigError(msg, f"say where it is relative to {PROJECT_FILE}.")
            return
    if not (folder / source.cmake / "CMakeLists.txt").is_file():
        msg = f"source.cmake: there is no CMakeLists.txt in {folder / source.cmake}"
        yield ConfigError(msg, f"name the folder that has it, relative to {PROJECT_FILE}.")
    if source.conan and not ((folder / source.conan).is_file() and Path(source.conan).suffix in (".txt", ".py")):
        msg = f"source.conan: {folder / source.conan} is not a conanfile"
        yield ConfigError(msg, "name a conanfile.txt or conanfile.py; leave the key out if there is none.")
    for name, value in source.variables.items():
        if _OURS.fullmatch(name):
            yield ConfigError(f"source.variables: {name} is what edgebuild itself sets", "leave it out.")
        elif not re.fullmatch(r"[A-Za-z_][\w.+-]*", name) or "\n" in value:
            yield ConfigError(f"source.variables: '{name}' cannot be set on CMake's command line")


def _command_problems(key: str, command: str) -> Iterator[ConfigError]:
    """One program of the installed tree with its arguments, and nothing that only a shell would understand."""
    allowed = ", ".join(f"${{{name}}}" for name in RUN_VARIABLES)
    try:
        words, lexer = command_words(command), shlex.shlex(command, posix=False, punctuation_chars=True)
        lexer.commenters = ""
        operators = [token for token in lexer if _OPERATORS.issuperset(token)]
    except ValueError as err:
        yield ConfigError(f"{key}: {str(err)[0].lower()}{str(err)[1:]}", "every quotation mark needs its partner.")
        return
    for match in _VARIABLE.finditer(command):
        if match["name"] not in RUN_VARIABLES:
            shown = match[0] if match["name"] else command[match.start() :].split()[0]
            yield ConfigError(f"{key}: '{shown}' is not replaced by anything", f"there are {allowed}.")
            return
    if "`" in command or operators or "\n" in command.strip():
        sign = operators[0] if operators else "`" if "`" in command else "a second line"
        hint = "it is one command without a shell; put more into a script of the project and name that."
        yield ConfigError(f"{key}: '{sign}' is shell syntax", hint)
    elif words and not _in_tree(words[0]):
        msg = f"{key}: '{words[0]}' is not a path in the installed tree"
        yield ConfigError(msg, f"name the program where it is installed, such as bin/{Path(words[0]).name}.")


def _in_tree(program: str) -> bool:
    path = Path(program.removeprefix("${APP}/"))
    return len(path.parts) > 1 and not path.is_absolute() and ".." not in path.parts and "$" not in str(path)


def _health_problems(health: HealthSpec, run: str) -> Iterator[ConfigError]:
    yield from _command_problems("health.cmd", health.cmd)
    if bool(health.cmd) == bool(health.url):
        yield ConfigError("health: say either cmd or url")
    if health.url and not re.fullmatch(r"https?://[^\s/$]+\S*", health.url):
        msg = f"health.url: '{health.url}' is not an http address"
        yield ConfigError(msg, "it is asked on the box: http://127.0.0.1:8080/health.")
    if not run.strip():
        yield ConfigError("health: there is no `run`, so nothing would be started that could be well")
    if seconds(health.timeout) <= 0:
        yield ConfigError("health.timeout: nothing becomes well in no time", "say 60s, or leave it out.")


def _waiver_problems(waivers: Sequence[Waiver]) -> Iterator[ConfigError]:
    """A waiver with a mistyped code would cover nothing, and nobody would look twice at the note that says so."""
    if not waivers:
        return
    from edgebuild.audit.codes import CODES  # late: the audit's room takes a while to import

    for index, waiver in enumerate(waivers):
        if waiver.code not in CODES:
            yield ConfigError(
                f"waivers[{index}]: there is no code '{waiver.code}'", "`edgebuild audit --codes` lists them."
            )


def _rows(wishes: tuple[str, ...], errors: list[ConfigError]) -> tuple[str, ...]:
    if not wishes:
        errors.append(ConfigError("targets: the list is empty", f"there are: {', '.join(row_names())}."))
    found = (_resolve(wish, f"targets[{place}]", errors) for place, wish in enumerate(wishes))
    return tuple(dict.fromkeys(name for names in found for name in names))


def _formats(wishes: Mapping[str, _Wish], errors: list[ConfigError]) -> dict[str, _Wish]:
    for key, wish in wishes.items():
        if not wish:
            errors.append(ConfigError(f"format.{key}: the list is empty", "there are: tarball, image."))
    return _by_row("format", wishes, errors)


def _by_row(where: str, wishes: Mapping[str, T], errors: list[ConfigError]) -> dict[str, T]:
    """What is said per row, alias or `default`, by the rows' own names."""
    found: dict[str, T] = {}
    for key, wish in wishes.items():
        if "*" in key:
            errors.append(ConfigError(f"{where}: '{key}' is a family", "name rows or aliases, or `default`."))
            continue
        for name in (key,) if key == _DEFAULT else _resolve(key, where, errors):
            if name in found:
                errors.append(ConfigError(f"{where}: '{key}' is '{name}', which stands there already"))
            found[name] = wish
    return found


def _resolve(wish: str, where: str, errors: list[ConfigError]) -> tuple[str, ...]:
    """Row names; a wish that means none becomes an error."""
    try:
        return resolve_names(wish, where=where)
    except ConfigError as err:
        errors.append(err)
        return ()
