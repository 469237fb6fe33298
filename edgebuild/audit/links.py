"""Symbolic links that lead nowhere (A136)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from edgebuild.audit.finding import box
from edgebuild.audit.load import file_names
from edgebuild.audit.python_modules import shown
from edgebuild.model.contract import Contract, Provided
from edgebuild.model.finding import Finding
from edgebuild.model.tree import OtherFile, TreeFacts

# What the kernel, the engine or a start script puts there.
_RUNTIME_FOLDERS = ("/proc/", "/sys/", "/dev/", "/run/", "/var/run/", "/tmp/")
_PROGRAM_FOLDERS = ("bin", "sbin")
_HINT = "ship what it leads to, with a relative target; archives made without -h keep links as they are."


def check_links(tree: TreeFacts, provided: Provided) -> Iterator[Finding]:
    """Errors where a library or a program is meant; all others as one piece of advice."""
    contract = provided.contract
    dangling = [each for each in tree.others if each.kind == "link" and not _is_elsewhere(each, tree, contract)]
    needed = {name for elf in tree.elves for name in elf.needed}
    bundled = {name for elf in tree.elves for name in file_names(elf)} | set(contract.libraries)
    harmless = []
    for link in dangling:
        base = posixpath.basename(link.name)
        if (base in needed and base not in bundled) or (tree.kind != "deb" and _is_meant(link)):
            yield Finding(code="A136", file=link.name, message=f"leads to {link.value}, which is not there", hint=_HINT)
        else:
            harmless.append(link)
    for link in harmless[:1]:
        more = shown([each.name for each in harmless])
        # A package's links often lead into another package that it depends on.
        message = f"leads to {link.value}, which is neither there nor known of {box(contract)}{more}"
        yield Finding(code="A136", file=link.name, message=message, hint=_HINT, severity="advice")


def _is_meant(link: OtherFile) -> bool:
    """A program's name, or a library's."""
    *folders, base = link.name.split("/")
    in_library_folder = any(folder.startswith("lib") for folder in folders)
    return (folders[-1:] or [""])[0] in _PROGRAM_FOLDERS or (in_library_folder and ".so" in base)


def _is_elsewhere(link: OtherFile, tree: TreeFacts, contract: Contract) -> bool:
    """Whether its target appears on the box: put there at run time, mounted, or part of the box itself."""
    target = posixpath.normpath(posixpath.join("/", posixpath.dirname(link.name), link.value))
    if (link.value.startswith("/") and target.startswith(_RUNTIME_FOLDERS)) or target == "/dev/null":
        return True
    mounts = getattr(contract.engine, "mounts", None) or ()
    if tree.image:
        return any(mount.path in (target, f"/{link.name}") for mount in mounts)
    if not link.value.startswith("/"):
        return False  # relative ones lead somewhere in the tree, or out of it, where nobody knows what lies
    programs = {*(contract.programs or ()), *(python.path for python in contract.pythons or ())}
    return link.value in programs or posixpath.basename(link.value) in contract.libraries
