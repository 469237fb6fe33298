"""`python -m tests.audit_index`: writes the table of codes in docs/audit.md anew, from edgebuild/audit/codes.py."""

from __future__ import annotations

import re
from pathlib import Path

from edgebuild.audit.codes import CODES

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/audit.md"
_TABLE = re.compile(r"(?<=tests\.audit_index -->\n).*(?=<!-- end of codes -->)", re.DOTALL)


def with_table(text: str) -> str:
    rows = (
        f"| [{code}](../edgebuild/audit/pages/{code}.md) | {each.kind} | {each.title} |" for code, each in CODES.items()
    )
    table = "\n".join(["| code | | |", "|---|---|---|", *rows])
    return _TABLE.sub(lambda _: f"\n{table}\n\n", text)


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text()))
