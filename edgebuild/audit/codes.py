"""Every code with its heading. What it means in full is in pages/CODE.md (`edgebuild audit --explain CODE`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_PAGES = Path(__file__).with_name("pages")


@dataclass(frozen=True)
class Code:
    """load: the loader, the interpreter or the engine on the box fails. policy: it would load, and must not ship."""

    title: str
    kind: Literal["load", "policy"]


CODES: dict[str, Code] = {
    # The file itself
    "A100": Code("nothing to audit", "policy"),
    "A101": Code("built for another machine", "load"),
    "A106": Code("asks for an executable stack", "policy"),
    "A107": Code("asks for a dynamic loader that the box does not have", "load"),
    "A108": Code("cannot be mapped with the box's page size", "load"),
    "A109": Code("is damaged", "load"),
    "A113": Code("has relocations in its code", "policy"),
    "A114": Code("has memory that is both writable and executable", "policy"),
    "A115": Code("tells paths of the machine that built it", "policy"),
    "A132": Code("needs a newer kernel than the box has", "load"),
    "A133": Code("needs more thread-local storage than a late load finds", "load"),
    "A134": Code("has compact relocations that the box's loader does not read", "load"),
    # Libraries and symbols
    "A102": Code("needs newer symbols than the box has", "load"),
    "A103": Code("needs a library that is neither bundled nor on the box", "load"),
    "A104": Code("above the floor that everything of ours is linked for", "policy"),
    "A105": Code("searches libraries outside the tree that ships", "policy"),
    "A110": Code("needs a symbol that no library has", "load"),
    "A116": Code("two copies of one library would meet in one process", "policy"),
    "A117": Code("two C++ runtimes meet across a std:: interface", "policy"),
    "A118": Code("uses the other std::string ABI than the library it calls", "load"),
    "A119": Code("opens a library by name that is neither bundled nor on the box", "policy"),
    "A136": Code("a link leads nowhere", "load"),
    "A138": Code("is a file of an SDK that must not ship", "policy"),
    # Instructions
    "A111": Code("uses instructions that the box's CPU lacks", "load"),
    "A112": Code("may use instructions that the box's CPU lacks", "policy"),
    # Python
    "A121": Code("the wheel's tag, its modules' names and its machine code disagree", "load"),
    "A122": Code("the wheel's tag promises an older system than it needs", "policy"),
    "A123": Code("uses Python symbols beyond the ABI that it declares", "load"),
    "A124": Code("is for a Python or a system that the box does not have", "load"),
    "A126": Code("compiled Python code of another Python", "load"),
    # Other files with an architecture
    "A120": Code("the model does not fit the box's chip or SDK", "load"),
    "A125": Code("a script's interpreter is not there", "load"),
    "A127": Code("a static archive of another machine", "load"),
    # Containers and space
    "A128": Code("the box's container engine cannot unpack the image", "load"),
    "A129": Code("the image says another platform than the box's", "load"),
    "A130": Code("host files that are laid into the image cannot load there", "load"),
    "A131": Code("the box's container engine is too old for the image's C library", "load"),
    "A135": Code("does not fit into the box's free space", "load"),
    "A137": Code("the image's command cannot be started", "load"),
}


def page(code: str) -> str:
    """The explanation of a code, Markdown. Raises KeyError."""
    if code not in CODES:
        raise KeyError(code)
    return (_PAGES / f"{code}.md").read_text(encoding="utf-8")
