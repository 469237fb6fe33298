"""Small words that all checks share."""

from __future__ import annotations

from collections.abc import Sequence

from edgebuild.model.contract import Contract
from edgebuild.model.elf import ElfFacts, parse_version
from edgebuild.model.finding import Finding, Severity

_SHOWN_SYMBOLS = 2


def finding(
    code: str, elf: ElfFacts, message: str, hint: str, severity: Severity = "error", symbol: str = ""
) -> Finding:
    return Finding(code=code, file=elf.name, message=message, hint=hint, severity=severity, symbol=symbol)


def name_node(node: str, symbols: Sequence[str]) -> str:
    """ "GLIBC_2.38 (fmod@GLIBC_2.38)"."""
    shown = [f"{symbol}@{node}" for symbol in symbols[:_SHOWN_SYMBOLS]]
    more = [f"{len(symbols) - _SHOWN_SYMBOLS} more"] if len(symbols) > _SHOWN_SYMBOLS else []
    return f"{node} ({', '.join(shown + more)})" if shown else node


def box(contract: Contract) -> str:
    return f"'{contract.title}'"


def glibc_of(contract: Contract) -> tuple[int, ...] | None:
    """As stated, else as its libraries' nodes show; None: unknown."""
    if contract.glibc:
        return parse_version(contract.glibc)
    nodes = [versions["GLIBC"] for versions in contract.libraries.values() if "GLIBC" in versions]
    return max(map(parse_version, nodes), default=None)
