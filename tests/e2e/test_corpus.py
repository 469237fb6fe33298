"""The seeded corpus against the audit: every defect found for what it is, nothing sound refused. See tests/corpus/."""

from __future__ import annotations

from operator import attrgetter

import pytest

from edgebuild.audit.codes import CODES
from edgebuild.workspace import Workspace
from tests.corpus import build, docs, judge
from tests.corpus.defects import DEFECTS
from tests.corpus.model import Defect
from tests.corpus.sound import Sound, everything

SOUND = everything()
REFUSED = tuple(defect for defect in DEFECTS if defect.refused)


@pytest.mark.parametrize("defect", DEFECTS, ids=attrgetter("name"))
def test_a_defect_is_found_for_what_it_is(defect: Defect, cache: Workspace) -> None:
    made = build.provide(defect, cache)
    verdict = judge.judge(defect, made, cache)
    found = judge.problems(defect, verdict)
    assert not found, "\n".join([defect.why, *found, verdict.told()])


@pytest.mark.parametrize("sound", SOUND, ids=attrgetter("name"))
def test_a_sound_artifact_passes_on_its_box_and_is_refused_below_its_floor(sound: Sound, cache: Workspace) -> None:
    path = build.provide_sound(sound, cache)
    fits = judge.audit(path, *build.judged_by(sound.fits, cache))
    assert fits.exit_code == judge.PASSED, fits.told()
    assert not fits.refusing, fits.told()

    below = judge.audit(path, *build.judged_by(sound.below, cache))
    assert below.exit_code == judge.REFUSED, below.told()
    assert sound.code in {each["code"] for each in below.refusing}, below.told()


def test_the_rate_of_advice_about_other_peoples_work_is_told(cache: Workspace) -> None:
    """`possible` instructions are advice, so that they stay bearable: printed per artifact, bounded in number."""
    foreign = [sound for sound in SOUND if sound.foreign]
    advised = 0
    for sound in foreign:
        verdict = judge.audit(build.provide_sound(sound, cache), *build.judged_by(sound.fits, cache))
        possible = [each for each in verdict.findings if each["code"] == "A112"]
        advised += bool(possible)
        print(f"{sound.name:28} {len(verdict.findings):3} advice, {len(possible)} of them possible instructions")
    print(f"possible instructions: {advised} of {len(foreign)} artifacts")
    assert advised <= len(foreign) // 2


def test_the_corpus_is_as_large_as_promised() -> None:
    codes = {code for defect in REFUSED for code in defect.codes}
    assert codes <= set(CODES)
    assert len(REFUSED) >= 50
    assert len({defect.why for defect in DEFECTS}) == len(DEFECTS), "each for another reason"
    assert len(codes) >= 30
    assert sum(defect.container for defect in REFUSED) >= 8
    assert sum(any(e.severity == "unknown" for e in defect.expects) for defect in REFUSED) >= 4
    assert len(SOUND) >= 30
    assert len({sound.name for sound in SOUND}) == len(SOUND)


def test_the_page_about_it_is_up_to_date() -> None:
    assert docs.PAGE.read_text(encoding="utf-8") == docs.render(), "`python -m tests.corpus --page` writes it anew"
