"""An imported SDK: what was taken and under which licence (YAML, reviewed), and what it has (lock, generated)."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec

from edgebuild.model.arch import ArchName
from edgebuild.model.recipe import Download, Record


class SdkLicence(Record, frozen=True, omit_defaults=True):
    """name: as whoever accepted it has written it. files: its texts, below the SDK's root."""

    name: str
    accepted_by: str
    accepted_on: date
    files: tuple[str, ...] = ()


class SdkRecipe(Record, frozen=True, omit_defaults=True):
    """sysroots/sdks/NAME.yaml. source: file, folder, image or box, for people.

    inner: the archive inside the archive that was taken. paths: folders of a box or image. only, drop: globs below the
    root. redistributable: may ship; without it nothing of it ever leaves in a product of ours. url: where the packed
    tree can be fetched from. cmake_variables: set in every build against it; ${PREFIX} is its prefix there.
    """

    title: str
    version: str
    arch: ArchName
    source: str
    licence: SdkLicence
    inner: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    redistributable: bool = False
    url: str = ""
    cmake_variables: dict[str, str] = msgspec.field(default_factory=dict)


# A lock is read as others have committed it, and what it says is written, linked and put into build files.
_BELOW = r"^(?!/)(?!(?:.*/)?\.\.(?:/|\Z))"
Place = Annotated[str, msgspec.Meta(pattern=_BELOW + r".+\Z")]
PlainPlace = Annotated[str, msgspec.Meta(pattern=_BELOW + r"[A-Za-z0-9_.+@/-]+\Z")]
LibraryPlace = Annotated[str, msgspec.Meta(pattern=_BELOW + r"(?:.*/)?[A-Za-z0-9_.+@-]+\Z")]
Soname = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.+@-]*\Z")]


class SdkLibrary(Record, frozen=True, omit_defaults=True):
    """A shared library. path: below the SDK's root. soname: "" where it has none, and is asked for by its file name.

    provides: highest version node per family that it defines, as contracts state it.
    """

    path: LibraryPlace
    sha256: str
    soname: Soname = ""
    build_id: str = ""
    needed: tuple[str, ...] = ()
    provides: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the loader is asked for."""
        return self.soname or self.path.rpartition("/")[2]


class SdkLock(Record, frozen=True, omit_defaults=True):
    """sysroots/sdks/NAME.lock; the libraries' exported symbols lie beside it, in NAME.symbols.

    tree: digest of the files (digest_tree); archive: they, packed. includes: folders with headers. libraries: the first
    of each name. binaries: path -> sha256 of every other file that is no text: programs, static libraries, firmware.
    files_written: by a layout that was recognised (edgebuild/sdk_layouts), below the prefix.
    """

    recipe: str
    tree: str
    archive: Download
    files: int
    size_bytes: int
    includes: tuple[PlainPlace, ...] = ()
    libraries: tuple[SdkLibrary, ...] = ()
    binaries: dict[str, str] = msgspec.field(default_factory=dict)
    files_written: dict[Place, str] = msgspec.field(default_factory=dict)


class SdkUse(Record, frozen=True):
    """on_box: every box of these targets has the SDK, so what is linked against it is found there.

    targets: rows, aliases or families; none: every row of the SDK's architecture.
    """

    name: str
    on_box: bool = False
    targets: tuple[str, ...] = ()


class Sdk(msgspec.Struct, frozen=True, kw_only=True):
    """An imported SDK as it is used. symbols: of its libraries, by the name the loader is asked for."""

    name: str
    recipe: SdkRecipe
    lock: SdkLock
    symbols: dict[str, frozenset[str]]
    on_box: bool = False

    @property
    def is_bundled(self) -> bool:
        """What is linked against it takes its libraries along."""
        return self.recipe.redistributable and not self.on_box


class SdkTree(msgspec.Struct, frozen=True):
    """An SDK in the cache. root: the vendor's files as they came. prefix: the same as build systems want to see it."""

    sdk: Sdk
    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def prefix(self) -> Path:
        return self.folder / "prefix"

    @property
    def libraries(self) -> Path:
        return self.prefix / "lib"

    @property
    def prefixes(self) -> tuple[Path, ...]:
        """Where build systems look: our prefix, then the SDK's own folders, for CMake files that it brings itself."""
        own = {self.root, *((self.root / include).parent for include in self.sdk.lock.includes)}
        return (self.prefix, *sorted(own))

    @property
    def cmake_variables(self) -> dict[str, str]:
        variables = self.sdk.recipe.cmake_variables
        return {name: value.replace("${PREFIX}", str(self.prefix)) for name, value in variables.items()}


class VersionRule(Record, frozen=True):
    """Where a layout says its version: the first group of `pattern` in the file at `path`, or groups joined by dots."""

    path: str  # below the prefix
    pattern: str


class SdkLayout(Record, frozen=True):
    """edgebuild/sdk_layouts/NAME.yaml: an SDK that build systems expect to look in a certain way.

    has: files below its prefix that tell it. versions: the first rule that matches counts. files: written into the
    prefix where it has none of that name; ${MAJOR}, ${MINOR} and ${PATCH} are of the version.
    """

    title: str
    has: tuple[str, ...]
    versions: tuple[VersionRule, ...] = ()
    cmake_variables: dict[str, str] = msgspec.field(default_factory=dict)
    files: dict[str, str] = msgspec.field(default_factory=dict)


# cpp_core/backends/NAME/abi/functions.yaml: what its module looks up in libraries that it opens at run time, by SONAME.
# A SONAME may be a glob, because generations of an SDK differ in the number behind it. "name?": done without.
BackendFunctions = dict[str, tuple[str, ...]]


class Lacking(msgspec.Struct, frozen=True, kw_only=True):
    """What an SDK's library lacks of what one of our backends calls. missing: without these it does not open."""

    backend: str
    library: str
    missing: tuple[str, ...]
    optional: tuple[str, ...] = ()
