"""What an entry of the corpus says: how to make it, which box it is for, and what has to be found."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.corpus.shop import Shop

CONTRACTS = Path(__file__).with_name("contracts")
# The home of whoever built a defective artifact; in parts, because a test refuses real places in our own files.
HOME = "/".join(("", "home", "builder"))
Severity = Literal["error", "unknown", "advice"]


@dataclass(frozen=True)
class Expect:
    """One finding that must be there.

    file: the end of the name it is reported under. says, hint: words of the message and of the remedy, in any case;
    "a|b": either. symbol, origin: words of those fields.
    """

    code: str
    file: str
    says: tuple[str, ...] = ()
    hint: tuple[str, ...] = ()
    severity: Severity = "error"
    symbol: str = ""
    origin: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """What a recipe hands over. path: the artifact. options: more of the command line, e.g. ("--link-map", FILE)."""

    path: Path
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Defect:
    """also: codes that may be found too, because the one defect shows in two places; no other may refuse.

    contract: a file in contracts/. floor: judged as the ship gate does, as a build of ours linked for this glibc.
    container: an image, with the box's engine and mounts.
    """

    name: str
    why: str
    make: Callable[[Shop], Made | Path | None]
    expects: tuple[Expect, ...]
    contract: str
    floor: str = ""
    also: frozenset[str] = frozenset()
    container: bool = False

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(expect.code for expect in self.expects))

    @property
    def refused(self) -> bool:
        return any(expect.severity != "advice" for expect in self.expects)

    @property
    def contract_file(self) -> Path:
        return CONTRACTS / f"{self.contract}.yaml"


def reason(make: Callable[..., object]) -> str:
    """A recipe's docstring on one line."""
    return " ".join((make.__doc__ or "").split())


class Group:
    """The recipes of one file: `@GROUP.defect(Expect(...), contract="old-box")`."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.defects: list[Defect] = []

    def defect(
        self,
        *expects: Expect,
        contract: str,
        floor: str = "",
        also: tuple[str, ...] = (),
        container: bool = False,
    ) -> Callable[[Callable[[Shop], Made | Path | None]], Callable[[Shop], Made | Path | None]]:
        def enter(make: Callable[[Shop], Made | Path | None]) -> Callable[[Shop], Made | Path | None]:
            name = make.__name__.replace("_", "-")
            self.defects.append(Defect(name, reason(make), make, expects, contract, floor, frozenset(also), container))
            return make

        return enter


@functools.cache
def contract_title(name: str) -> str:
    """Title line of a contract in the corpus."""
    for line in (CONTRACTS / f"{name}.yaml").read_text().splitlines():
        if line.startswith("title: "):
            return line.removeprefix("title: ")
    raise AssertionError(name)
