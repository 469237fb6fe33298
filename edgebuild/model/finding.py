"""What an audit finds."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["error", "unknown", "advice"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why a box could not load what would be shipped.

    severity: "error": it will not load, or must not ship. "unknown": nobody can say, because a fact is missing; it does
        not pass. "advice": worth a look; it passes.
    symbol: the one that shows it best. origin: object file or static library that brought it in, from the link map.
    waived: reason of the waiver that lets it pass.
    """

    code: str
    file: str
    message: str
    hint: str = ""
    severity: Severity = "error"
    symbol: str = ""
    origin: str = ""
    waived: str = ""

    @property
    def refuses(self) -> bool:
        return self.severity != "advice" and not self.waived
