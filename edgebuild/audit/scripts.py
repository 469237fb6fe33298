"""Scripts: is what their first line names there? (A125)

What counts as a program is refused. What merely has such a first line is advice: modules of Python packages, examples,
and what a distribution puts into an image beside what is needed of it.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from edgebuild.audit.finding import box
from edgebuild.audit.python_modules import shown
from edgebuild.model.contract import Contract, Provided
from edgebuild.model.finding import Finding, Severity
from edgebuild.model.tree import OtherFile, TreeFacts

_MAX_LINKS = 40  # as the kernel follows
_SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")  # of most shells
_PROGRAM_FOLDERS = ("bin", "sbin", "libexec", "init.d")
_PYTHON_LIBRARY = re.compile(r"(?:^|/)(?:lib(?:64)?/python[\d.]+|(?:site|dist)-packages)/")
# An image built from packages has whole packages; those that run there bring what they need, the others nobody starts.
_DISTRIBUTION = (
    "bin/",
    "sbin/",
    "lib/",
    "etc/",
    "var/",
    "usr/bin/",
    "usr/sbin/",
    "usr/lib/",
    "usr/libexec/",
    "usr/share/",
)
_WHEEL_SCRIPTS = ".data/scripts/"


class Programs:
    """Interpreters, by path: those in the tree where it is a system, and the box's unless it is an image."""

    def __init__(self, tree: TreeFacts, contract: Contract) -> None:
        self._tree, self._contract = tree, contract
        self._files = {name for elf in tree.elves for name in (elf.name, *elf.also)}
        self._files |= {other.name for other in tree.others if other.kind == "script"}
        self._path = (tree.image.path if tree.image else ()) or _SEARCH_PATH
        pythons = {python.path for python in contract.pythons or () if python.path}
        self._box = None if contract.programs is None else frozenset(contract.programs) | pythons

    def has(self, path: str) -> bool | None:
        """None: nobody knows."""
        if self._tree.system and self._is_file(path.lstrip("/")):
            return True
        if self._tree.image:
            return False
        return None if self._box is None else path in self._box

    def finds(self, name: str) -> bool | None:
        """As `env NAME` does, through PATH."""
        if "/" in name:
            return self.has(name)
        if self._tree.system and any(self._is_file(posixpath.join(each, name).lstrip("/")) for each in self._path):
            return True
        if self._tree.image:
            return False
        return None if self._box is None else any(posixpath.basename(each) == name for each in self._box)

    def _is_file(self, path: str) -> bool:
        """Through links to the file and to any folder above it."""
        for _ in range(_MAX_LINKS):
            path = posixpath.normpath(path)
            if path in self._files:
                return True
            folder = path
            while folder and folder not in self._tree.links:
                folder = posixpath.dirname(folder)
            if not folder:
                return False
            path = posixpath.join(self._tree.links[folder], posixpath.relpath(path, folder))
        return False


@dataclass(frozen=True)
class _Problem:
    """what: with "{where}" for the name of the box or image."""

    what: str
    hint: str
    known: bool = True


def check_scripts(tree: TreeFacts, provided: Provided) -> Iterator[Finding]:
    programs = Programs(tree, provided.contract)
    lost: dict[tuple[Severity, _Problem], list[str]] = defaultdict(list)
    for other in tree.others:
        if other.kind != "script" or _is_only_imported(other, tree):
            continue
        if problem := _problem(other, tree, programs):
            if is_program(other, tree):
                lost["error" if problem.known else "unknown", problem].append(other.name)
            elif problem.known:
                lost["advice", problem].append(other.name)
    where = "the image" if tree.image else box(provided.contract)
    for (severity, problem), names in lost.items():
        message = f"{problem.what.replace('{where}', where)}{shown(names)}"
        yield Finding(code="A125", file=names[0], message=message, hint=problem.hint, severity=severity)


def is_program(script: OtherFile, tree: TreeFacts) -> bool:
    """Whether somebody starts it, rather than that it only has a first line like a program."""
    name = script.name
    if tree.kind == "wheel":
        return _WHEEL_SCRIPTS in name
    if tree.image and f"/{name}" in tree.image.command[:1]:
        return True
    in_bin = bool(set(name.split("/")[:-1][-1:]) & set(_PROGRAM_FOLDERS))
    if _PYTHON_LIBRARY.search(name) and not in_bin:
        return False
    if tree.image:
        return script.executable and not name.startswith(_DISTRIBUTION)
    if tree.system:
        return script.executable and in_bin
    return script.executable or in_bin  # some archives lose the x-bit


def _is_only_imported(script: OtherFile, tree: TreeFacts) -> bool:
    """A module of a package that nobody can start; every second package has some with a first line."""
    inside = tree.kind == "wheel" or bool(_PYTHON_LIBRARY.search(script.name))
    return inside and not script.executable and not is_program(script, tree)


def _problem(script: OtherFile, tree: TreeFacts, programs: Programs) -> _Problem | None:
    """None where its interpreter is there."""
    interpreter, _, argument = script.value.partition(" ")
    if tree.kind == "wheel" and interpreter in ("python", "pythonw"):
        return None  # installers write the interpreter's path there. Source: binary distribution format, "scripts"
    if script.value.endswith("\r"):
        hint = "convert its line ends (dos2unix, or `*.sh text eol=lf` in .gitattributes)."
        return _Problem(
            f"its first line ends with a carriage return: the kernel looks for '{script.value[:-1]}\\r'", hint
        )
    if not interpreter.startswith("/"):
        return _Problem(f"its interpreter is '{interpreter}', no absolute path", "write #!/usr/bin/env NAME.")
    if posixpath.basename(interpreter) == "env" and programs.has(interpreter) is True:
        return _env_problem(argument.strip(), programs)
    hint = "name one that is there, or /usr/bin/env NAME; programs in the contract lists what the box has."
    return _absent(f"its interpreter is {interpreter}", hint, programs.has(interpreter))


def _env_problem(argument: str, programs: Programs) -> _Problem | None:
    if not (wanted := _wanted_of(argument)):
        return None
    if " " in wanted:
        hint = "the kernel hands everything behind env over as one word: use `env -S`, or no options."
        return _Problem(f"env looks for a program called '{wanted}'", hint)
    hint = f"install {wanted} there, or ship it; programs in the contract lists what the box has."
    return _absent(f"env looks for {wanted}", hint, programs.finds(wanted))


def _absent(what: str, hint: str, there: bool | None) -> _Problem | None:
    if there is None:
        return _Problem(f"{what}, and nobody knows which programs {{where}} has", hint, known=False)
    return None if there else _Problem(f"{what}, which {{where}} does not have", hint)


def _wanted_of(argument: str) -> str:
    """The program that env starts; "" where that depends on more. Source: env(1) of coreutils, -S and NAME=VALUE."""
    if not argument.startswith("-"):
        return "" if "=" in argument else argument
    if not (match := re.match(r"-v?S\s*(.*)|--split-string[= ](.*)", argument)):
        return ""
    try:
        words = shlex.split(match[1] or match[2] or "")
    except ValueError:
        return ""
    return next((word for word in words if not word.startswith("-") and "=" not in word), "")
