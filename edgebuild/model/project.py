"""edgebuild.yaml: what a user's project is called, how it is built, started and known to be well."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Literal

import msgspec

from edgebuild.model.contract import Waiver
from edgebuild.model.recipe import Record
from edgebuild.model.sdk import SdkUse

Format = Literal["tarball", "image"]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$(?!\n)", max_length=40)]
Duration = Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d+)?(ms|s|m|h)$(?!\n)")]  # "90s", "3m"

_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(duration: str) -> float:
    """ "3m" -> 180.0."""
    match = re.fullmatch(r"([\d.]+)(ms|s|m|h)", duration)
    assert match, duration
    return float(match[1]) * _UNIT_S[match[2]]


def command_words(command: str) -> tuple[str, ...]:
    """A `run` or `health.cmd` line as words; ${APP}, ${STATE} and ${RUN} stay as they are."""
    return tuple(shlex.split(command))


class SourceSpec(Record, frozen=True):
    """cmake: folder of CMakeLists.txt; conan: conanfile (.txt or .py); both relative to edgebuild.yaml."""

    cmake: str = "."
    conan: str = ""
    variables: dict[str, str] = msgspec.field(default_factory=dict)  # CMake cache variables


class ToolchainWish(Record, frozen=True):
    """A toolchain by name, and the sysroot that it compiles against where its kind brings no C library."""

    name: str
    sysroot: str = ""


class HealthSpec(Record, frozen=True):
    """When a started release counts as well: one of `cmd` (exit 0) and `url` (2xx), asked on the box.

    It has to become well within `timeout` and then stay so for `for`. The last line that `cmd` prints is shown.
    """

    cmd: str = ""
    url: str = ""
    timeout: Duration = "60s"
    for_: Duration = msgspec.field(name="for", default="0s")


class Project(Record, frozen=True):
    """run, health.cmd: one command line, started in the installed tree; its words may hold ${APP} (that tree),
    ${STATE} (the box's own folder, which no release ever touches) and ${RUN} (empty at every start, for sockets
    and status files). No other shell syntax.

    version: "1.2.3", "git" (the tag; a dirty tree cannot be released) or "cmake" (what project() states).
    format: row or alias -> what is packaged; "default" for the others.
    toolchain: row or alias -> what compiles, instead of what the row names; "default" for the others. A name alone
    takes the row's sysroot.
    """

    name: Name
    version: str
    targets: tuple[str, ...]
    source: SourceSpec = SourceSpec()
    format: dict[str, Format | tuple[Format, ...]] = msgspec.field(default_factory=lambda: {"default": "tarball"})
    toolchain: dict[str, str | ToolchainWish] = msgspec.field(default_factory=dict)
    sdk: tuple[str | SdkUse, ...] = ()  # imported SDKs that it is linked against, on rows of their architecture
    run: str = ""
    health: HealthSpec | None = None
    waivers: tuple[Waiver, ...] = ()  # findings of the audit that this project accepts for a time

    def formats_of(self, target: str, *, has_base: bool = True) -> tuple[Format, ...]:
        """has_base: the row names a container base. `default` is for rows of every kind, so an image that it asks for
        beside something else is left out where there is none; what is asked of the row by name stays.
        """
        wish = self.format.get(target, self.format.get("default", "tarball"))
        formats = (wish,) if isinstance(wish, str) else wish
        if has_base or target in self.format:
            return formats
        return tuple(each for each in formats if each != "image") or formats

    def toolchain_of(self, target: str) -> ToolchainWish | None:
        """None: the row's own."""
        wish = self.toolchain.get(target, self.toolchain.get("default"))
        return ToolchainWish(name=wish) if isinstance(wish, str) else wish
