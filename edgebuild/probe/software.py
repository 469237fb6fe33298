"""Pythons, interpreters, versions and space: what a look at a box says without reading a library."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from edgebuild.model.contract import PythonFacts
from edgebuild.model.elf import parse_version
from edgebuild.model.probe_rule import VersionRule
from edgebuild.probe.engine import program_folders
from edgebuild.probe.questions import SPACE_FOLDERS
from edgebuild.probe.view import View

# What scripts name behind "#!". A list, because every program of a box would be thousands of lines.
_INTERPRETER = re.compile(
    r"(ba|da|a|k|mk|z|c|tc|fi)?sh|busybox|env|perl[\d.]*|python[\d.]*|pypy3?|ruby[\d.]*|lua(jit)?[\d.]*|php[\d.]*"
    r"|node(js)?|[mgn]?awk|sed|tclsh[\d.]*|wish[\d.]*|expect|g?make|Rscript|guile|gjs|bc|dc|m4|nft|true|false|cat"
)
_PYTHON = re.compile(r"python(?P<version>3\.\d+)")
_SOABI = re.compile(r".+\.(?P<soabi>cpython-3\d+[a-z]*-[\w-]+)\.so")


def find_programs(view: View) -> tuple[str, ...]:
    """Interpreters that may be started, by every path that leads to them."""
    paths = [
        posixpath.join(folder, name)
        for folder in program_folders(view)
        for name, entry in view.entries.get(view.real[folder], {}).items()
        if entry.executable and _INTERPRETER.fullmatch(name)
    ]
    return tuple(sorted(paths))


def find_pythons(view: View) -> tuple[PythonFacts, ...]:
    """Interpreters by version; of several of one version the first in PATH's usual order."""
    order = ("/usr/local/bin", "/usr/bin", "/bin")
    folders = sorted(program_folders(view), key=lambda each: order.index(each) if each in order else len(order))
    found: dict[str, PythonFacts] = {}
    for folder in folders:
        for name, entry in sorted(view.entries.get(view.real[folder], {}).items()):
            if entry.executable and (match := _PYTHON.fullmatch(name)) and match["version"] not in found:
                path = posixpath.join(folder, name)
                found[match["version"]] = PythonFacts(
                    version=match["version"], soabi=_soabi(view, folder, name), path=path
                )
    return tuple(found[version] for version in sorted(found, key=parse_version))


def _soabi(view: View, folder: str, name: str) -> str:
    """From the names of the interpreter's own modules; "" where it has none."""
    prefix = posixpath.dirname(folder) if folder != "/bin" else "/usr"
    real = view.real.get(f"{prefix}/lib/{name}/lib-dynload", "")
    matches = (match for module in sorted(view.entries.get(real, ())) if (match := _SOABI.fullmatch(module)))
    return next((match["soabi"] for match in matches), "")


def os_name(view: View) -> tuple[str, str]:
    """("Debian GNU/Linux 11 (bullseye)", "debian 11") of os-release; empty where there is none."""
    text = view.texts.get("/etc/os-release") or view.texts.get("/usr/lib/os-release", "")
    fields = dict(re.findall(r"^([A-Z_]+)=[\"']?(.*?)[\"']?$", text, re.MULTILINE))
    short = " ".join(filter(None, (fields.get("ID"), fields.get("VERSION_ID"))))
    return fields.get("PRETTY_NAME", short), short


def find_version(rule: VersionRule, view: View) -> tuple[str, str] | None:
    """What a rule finds and where, but for those that search a library."""
    for path, text in _texts(rule, view):
        if match := re.search(rule.regex, text, re.MULTILINE):
            return match[1].strip(), path
    return None


def _texts(rule: VersionRule, view: View) -> Iterator[tuple[str, str]]:
    for path, text in sorted(view.texts.items()):
        if any(fnmatchcase(path, pattern) for pattern in rule.files):
            yield path, text
    if rule.package in view.packages:
        yield f"package {rule.package}", view.packages[str(rule.package)]
    if rule.command in view.outputs:
        yield str(rule.command), view.outputs[str(rule.command)]


def plain_version(text: str) -> str | None:
    """ "5.10.0" of "5.10.0-28-arm64"."""
    match = re.match(r"\d+(\.\d+)*", text)
    return match[0] if match else None


def page_bytes(text: str) -> int | None:
    """Of "4096" (getconf) and "4 kB" (smaps)."""
    number, _, unit = text.partition(" ")
    return int(number) * (1024 if unit == "kB" else 1) if number.isdigit() else None


def free_space(view: View) -> tuple[str, int] | None:
    """Folder, and a size class: the power of two below what is free, so that it stays the same from day to day."""
    for folder in SPACE_FOLDERS:
        if free_kb := view.free_kb.get(folder):
            return folder, 1 << ((free_kb * 1024).bit_length() - 1)
    return None
