"""Which files of an opened SDK are taken, what its links lead to, and whether all of it is for one machine."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgebuild.build.sdk_open import Opened, archives_in
from edgebuild.build.sdk_read import is_licence, tells_version
from edgebuild.elf.reader import is_elf, read_elf
from edgebuild.errors import AuditError, ConfigError, NotAvailable, VerificationError
from edgebuild.inputs.archive import MAGICS, BrokenArchive, read_machines
from edgebuild.inputs.listing import Listing, list_tree
from edgebuild.inputs.loader_path import is_system
from edgebuild.model.arch import ARCHES, Arch, ArchName
from edgebuild.model.elf import ElfFacts
from edgebuild.placing import printable
from edgebuild.unpack import compile_globs

_SHOWN = 5
_NO_HOST = ("EM_AMDGPU", "EM_BPF")  # data to the host: programs for an accelerator or for the kernel


@dataclass(frozen=True)
class SdkWish:
    """paths: folders of a root that are the SDK. only, drop: globs. arch: what all of it has to be for."""

    paths: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    arch: ArchName | None = None


@dataclass(frozen=True)
class Chosen:
    """files: below the root. links: link -> file or folder below the root. nowhere: links that are left out, because
    what they lead to is not there or not taken. elves: of files, by name. seen: every file there, taken or not.
    """

    root: Path
    seen: tuple[str, ...]
    files: tuple[str, ...]
    links: dict[str, str]
    nowhere: tuple[str, ...]
    elves: dict[str, ElfFacts]
    arch: Arch


def keeper(wish: SdkWish) -> Callable[[str], bool] | None:
    """What has to be unpacked for this wish: what it takes, and what tells of version and licence; None: all."""
    only = compile_globs(_with_folders(wish.only))
    return (lambda name: bool(only.fullmatch(name)) or is_licence(name) or tells_version(name)) if only else None


def choose(opened: Opened, wish: SdkWish, title: str) -> Chosen:
    """title: of the source, for messages. Raises ConfigError, NotAvailable, VerificationError."""
    listing = _within(list_tree(opened.root))
    if listing.closed:
        msg = f"{title}: {listing.closed[0] or 'the folder'} may not be read"
        raise NotAvailable(msg, "import it as somebody who may, or leave it out of what you hand over.")
    if is_system(listing) and not wish.paths:
        msg = f"{title}: is a whole root file system; which part of it is the SDK?"
        raise ConfigError(msg, "--path /opt/sdk, once for each folder; `edgebuild sysroot import` takes the system.")
    there = _below(listing, wish.paths, title)
    names = _wanted(there, wish, title)
    files = {name for name in names if name in listing.files}
    links, nowhere = _links(opened, listing, [name for name in names if name in listing.links], files, wish, title)
    if odd := sorted(name for name in (*files, *links) if not name.isprintable()):
        msg = f"{title}: '{printable(odd[0])}' is a name that no build file can carry"
        raise VerificationError(msg, "rename it, or leave it out: --drop GLOB.")
    elves, statics = _read_machine_code(opened.root, sorted(files))
    if not elves and not statics:
        msg = f"{title}: no library and no program in what would be taken"
        raise ConfigError(msg, archives_in(opened.root) or "--only and --drop say what is taken; is it the right file?")
    arch = _require_one_machine(elves, statics, wish, title)
    seen = tuple(name for name in there if name in listing.files)
    return Chosen(opened.root, seen, tuple(sorted(files)), links, nowhere, elves, arch)


def _within(listing: Listing) -> Listing:
    """Links of an installed SDK that name its own place lead to what is there, wherever it is imported to."""
    base = f"{listing.root}/"
    inside = {link: target.removeprefix(base) for link, target in listing.links.items() if target.startswith(base)}
    return replace(listing, links={**listing.links, **{link: f"/{target}" for link, target in inside.items()}})


def _below(listing: Listing, paths: Sequence[str], title: str) -> list[str]:
    """Names of files and links in some folders; of no folder: all."""
    names = [*listing.files, *listing.links]
    folders = [_real_folder(listing, path, title) for path in paths]
    return [name for name in names if not folders or any(f"{name}/".startswith(f"{folder}/") for folder in folders)]


def _wanted(names: list[str], wish: SdkWish, title: str) -> list[str]:
    """By the globs; licences always come along."""
    only, drop = (compile_globs(_with_folders(globs)) for globs in (wish.only, wish.drop))
    for option, pattern, globs in (("--only", only, wish.only), ("--drop", drop, wish.drop)):
        if pattern and not any(pattern.fullmatch(name) for name in names):
            msg = f"{option} {' '.join(globs)}: matches nothing in {title}"
            raise ConfigError(msg, f"names in it are such as {', '.join(names[:3])}." if names else "")
    kept = [name for name in names if not (drop and drop.fullmatch(name))]
    return [name for name in kept if not only or only.fullmatch(name) or is_licence(name)]


def _real_folder(listing: Listing, path: str, title: str) -> str:
    found = listing.resolve(path.strip("/"), system=True)
    if not found:
        msg = f"--path {path}: {title} has no such folder"
        raise ConfigError(msg, "folders are named from the root on: --path /opt/sdk.")
    return found


def _with_folders(globs: Sequence[str]) -> list[str]:
    """A glob that means a folder means all in it."""
    return [form for glob in globs for form in (glob.strip("/"), f"{glob.strip('/')}/*")]


def _links(
    opened: Opened, listing: Listing, names: Sequence[str], files: set[str], wish: SdkWish, title: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Links with what they lead to. With --only, the file that a chosen link leads to is added to `files`."""
    drop = compile_globs(_with_folders(wish.drop))
    links: dict[str, str] = {}
    nowhere: list[str] = []
    escapes: list[str] = []
    for name in names:
        target = listing.resolve(name, system=True)
        if wish.only and target in listing.files and not (drop and drop.fullmatch(target)):
            files.add(target)
        if target and (target in files or any(file.startswith(f"{target}/") for file in files)):
            links[name] = target
        elif target is None and not opened.is_system and _leads_out(opened, listing, name):
            escapes.append(f"{name} -> {opened.absolute.get(name, listing.links[name])}")
        else:
            nowhere.append(name)
    if escapes:
        msg = f"{title}: {len(escapes)} links lead out of it: {', '.join(map(printable, escapes[:_SHOWN]))}"
        raise VerificationError(msg, "leave them out if they are not needed: --drop GLOB.")
    return links, tuple(nowhere)


def _leads_out(opened: Opened, listing: Listing, name: str) -> bool:
    target = listing.links[name]
    if name in opened.absolute or target.startswith("/"):
        return True
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target)).split("/")[0] == ".."


def _read_machine_code(root: Path, files: Sequence[str]) -> tuple[dict[str, ElfFacts], dict[str, tuple[str, ...]]]:
    """ELF files, and machines of static libraries' members. Raises VerificationError for damaged ones."""
    elves: dict[str, ElfFacts] = {}
    statics: dict[str, tuple[str, ...]] = {}
    for name in files:
        path = root / name
        try:
            if is_elf(path):
                elves[name] = read_elf(path, name=name)
            elif _begins(path, MAGICS) and (machines := read_machines(path)):
                statics[name] = machines
        except (AuditError, BrokenArchive) as err:
            reason = err.message.removeprefix(f"{name}: ") if isinstance(err, AuditError) else err
            msg = f"{name}: {reason}"
            raise VerificationError(msg, f"get the SDK again, or leave the file out: --drop '{name}'.") from err
        except OSError as err:
            msg = f"{path}: cannot be read ({err.strerror})"
            raise NotAvailable(msg) from err
    return elves, statics


def _begins(path: Path, magics: Sequence[bytes]) -> bool:
    with path.open("rb") as file:
        return file.read(8) in magics


# ---- One machine ----


def _require_one_machine(
    elves: Mapping[str, ElfFacts], statics: Mapping[str, tuple[str, ...]], wish: SdkWish, title: str
) -> Arch:
    """Of everything. Raises VerificationError that names the files of others."""
    found = {name: {_machine(elf)} for name, elf in elves.items() if elf.machine not in _NO_HOST}
    found |= {name: set(machines) for name, machines in statics.items()}
    known = {arch.elf_machine: arch for arch in ARCHES.values()}
    if wish.arch:
        arch = ARCHES[wish.arch]
    else:
        counts: dict[str, int] = defaultdict(int)
        for machines in found.values():
            for machine in machines & known.keys():
                counts[machine] += 1
        if len(counts) > 1:
            shown = ", ".join(f"{count} for {known[machine].name}" for machine, count in sorted(counts.items()))
            msg = f"{title}: has files for several machines: {shown}"
            raise VerificationError(msg, "say which it is for, --arch or --target; then the others are named.")
        if not counts:
            msg = f"{title}: nothing in it is for a machine that we build for ({', '.join(ARCHES)})"
            raise VerificationError(msg, "get the one for the box's CPU, as `edgebuild targets` lists it.")
        (machine,) = counts
        arch = known[machine]
    if wrong := {name: machines for name, machines in found.items() if machines != {arch.elf_machine}}:
        raise _for_another_machine(wrong, set(found) - set(wrong), arch, title)
    return arch


def _machine(elf: ElfFacts) -> str:
    return elf.machine if elf.bits == 64 else f"{elf.machine} of {elf.bits} bits"


def _for_another_machine(wrong: Mapping[str, set[str]], right: set[str], arch: Arch, title: str) -> VerificationError:
    shown = [f"{name} (for {' and '.join(_word(each) for each in sorted(wrong[name]))})" for name in sorted(wrong)]
    more = [f"{len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
    msg = f"{title}: expected all of it to be for {arch.name}, but found {', '.join(shown[:_SHOWN] + more)}"
    globs = " ".join(f"--drop '{glob}'" for glob in _globs_of(wrong, right))
    return VerificationError(msg, f"what runs on a desk, or on the device's own cores, is left out by {globs}.")


def _word(machine: str) -> str:
    """ "x86_64" rather than "EM_X86_64"."""
    return machine.removeprefix("EM_").lower()


def _globs_of(wrong: Mapping[str, object], right: set[str]) -> list[str]:
    """The fewest that leave out the wrong files and none of the right ones."""
    globs: list[str] = []
    for name in sorted(wrong):
        parts = name.split("/")
        folders = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        free = next((each for each in folders if not any(other.startswith(f"{each}/") for other in right)), None)
        globs.append(f"{free}/*" if free else name)
    return list(dict.fromkeys(globs))
