"""Folders where the loader of a root file system looks by itself, read from that loader and its configuration."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterable, Iterator

from edgebuild.inputs.listing import Listing

_LOADER = re.compile(
    r"(?:usr/)?lib(?:32|64|x32)?(?:/[\w.-]+)?/ld(?:-linux[\w.-]*|-musl-[\w.-]+|64|-[\d.]+)?\.so(?:\.\d+)*"
)
# glibc keeps its default folders as one array of strings in the loader. Source: glibc, elf/dl-load.c, system_dirs;
# read from the loaders of Debian 11, 12 and 13 and of Ubuntu 22.04.
_SYSTEM_DIRS = re.compile(rb"(?:/(?:usr/)?lib[\w./-]{0,80}/\0){2,}")
# Source: musl 1.2, ldso/dynlink.c.
_MUSL_DIRS = ("/lib", "/usr/local/lib", "/usr/lib")
_DEFAULT_DIRS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")  # where there is no loader to ask, as in a package
_TRIPLE = re.compile(r"(?:usr/)?lib/([a-z0-9_]+-linux-gnu[a-z0-9_]*)")
_CACHED_FOLDER = re.compile(rb"(/[\x21-\x7e]{1,400})/[\x21-\x7e]+\.so[\x21-\x7e]*\0")
_MAX_READ_BYTES = 8 << 20
_MAX_INCLUDES = 200


def is_system(listing: Listing) -> bool:
    """A root file system has a dynamic loader where programs expect one."""
    return any(True for _ in _loaders(listing))


def find_loader_path(listing: Listing, *, is_image: bool) -> tuple[str, ...]:
    """Folders below the root, in the order of searching, links resolved.

    is_image: nobody runs ldconfig in it any more, so what is not in its ld.so.cache is not found.
    """
    loaders = list(_loaders(listing))
    musl = [name for name in loaders if "ld-musl-" in name]
    if musl:
        return _existing(listing, _musl_folders(listing, musl[0]))
    return _existing(listing, (*_configured(listing, is_image=is_image), *_built_in(listing, loaders)))


def _loaders(listing: Listing) -> Iterator[str]:
    """Real files only: what their links are called does not matter here."""
    for names in (listing.files, listing.links):
        for name in names:
            if "/ld" in name and _LOADER.fullmatch(name):
                found = listing.resolve(name, system=True)
                if found in listing.files:
                    yield found


def _built_in(listing: Listing, loaders: Iterable[str]) -> list[str]:
    found = [
        folder.decode("ascii", "replace")
        for name in dict.fromkeys(loaders)
        for match in _SYSTEM_DIRS.finditer(_read(listing, name))
        for folder in match[0].split(b"\0")[:-1]
    ]
    if found:
        return found
    triples = sorted({match[1] for folder in listing.folders if (match := _TRIPLE.fullmatch(folder))})
    return [f"{place}/{triple}" for triple in triples for place in ("/lib", "/usr/lib")] + [*_DEFAULT_DIRS]


def _configured(listing: Listing, *, is_image: bool) -> Iterator[str]:
    """Of ld.so.conf, as far as ldconfig has put them into the cache, which is all that the loader reads.

    Where there is no cache a package or a root not yet booted will get one.
    """
    cache = listing.resolve("etc/ld.so.cache", system=True)
    if cache is None and is_image:
        return
    cached = {match[1].decode() for match in _CACHED_FOLDER.finditer(_read(listing, cache))} if cache else None
    real = {listing.resolve(folder.lstrip("/"), system=True) for folder in cached} if cached is not None else None
    for folder in _ld_so_conf(listing, "etc/ld.so.conf", [0]):
        if real is None or listing.resolve(folder.lstrip("/"), system=True) in real:
            yield folder


def _ld_so_conf(listing: Listing, name: str, opened: list[int]) -> Iterator[str]:
    """Folders in a configuration file and those it includes. Format: ldconfig(8); glibc, elf/ldconfig.c."""
    opened[0] += 1
    found = listing.resolve(name, system=True)
    if found is None or opened[0] > _MAX_INCLUDES:
        return
    for line in _read(listing, found).decode("utf-8", "replace").splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                for included in _glob(listing, posixpath.join("/", posixpath.dirname(name), pattern)):
                    yield from _ld_so_conf(listing, included, opened)
        elif words and words[0] != "hwcap":
            yield from (folder.partition("=")[0] for folder in re.split(r"[\s,:]+", " ".join(words)) if folder)


def _glob(listing: Listing, pattern: str) -> list[str]:
    names = (*listing.files, *listing.links)
    wanted = posixpath.normpath(pattern).lstrip("/")
    depth = wanted.count("/")
    return sorted(each for each in names if each.count("/") == depth and fnmatch.fnmatchcase(each, wanted))


def _musl_folders(listing: Listing, loader: str) -> tuple[str, ...]:
    architecture = posixpath.basename(loader).removeprefix("ld-musl-").partition(".")[0]
    conf = listing.resolve(f"etc/ld-musl-{architecture}.path", system=True)
    if conf is None:
        return _MUSL_DIRS
    return tuple(each for each in re.split(r"[:\n]", _read(listing, conf).decode("utf-8", "replace")) if each)


def _existing(listing: Listing, folders: Iterable[str]) -> tuple[str, ...]:
    real = (listing.resolve(folder.strip("/"), system=True) for folder in folders)
    return tuple(dict.fromkeys(folder for folder in real if folder and folder in listing.folders))


def _read(listing: Listing, name: str | None) -> bytes:
    if name is None or name not in listing.files:
        return b""
    try:
        with (listing.root / name).open("rb") as file:
            return file.read(_MAX_READ_BYTES)
    except OSError:
        return b""
