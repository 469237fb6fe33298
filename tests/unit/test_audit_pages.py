"""Every code is explained: one page each, with what a reader looks for, and no page for a code that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgebuild.audit import codes
from edgebuild.audit.codes import CODES, page

PAGES = Path(codes.__file__).with_name("pages")
SECTIONS = ["On the box", "How it is decided", "What to do", "Example", "Sources"]


def test_codes_and_pages_belong_together() -> None:
    assert {path.stem for path in PAGES.iterdir()} == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_page_says_what_a_reader_looks_for(code: str) -> None:
    text = page(code)
    heading, *_ = text.splitlines()
    assert heading == f"# {code}: {CODES[code].title}"
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    bodies = re.split(r"^## .+$", text, flags=re.MULTILINE)
    assert all(body.strip() for body in bodies)
    assert f"{code} {CODES[code].title}" in bodies[SECTIONS.index("Example") + 1]
    assert len(text.splitlines()) <= 45


def test_a_code_that_does_not_exist_has_no_page() -> None:
    with pytest.raises(KeyError):
        page("A999")
