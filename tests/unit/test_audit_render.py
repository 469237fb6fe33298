"""What people and code-review pages get to read of findings."""

from __future__ import annotations

from edgebuild.audit.codes import CODES
from edgebuild.audit.render import render_findings, render_verdict
from edgebuild.audit.sarif import Audited, render_sarif
from edgebuild.model.finding import Finding

STACK = Finding(code="A106", file="lib/a.so", message="executable", hint="link again.")
OLD = Finding(code="A102", file="bin/app", message="needs X", hint="link lower.", symbol="f@X", origin="libt.a(k.o)")
DOUBT = Finding(code="A108", file="bin/app", message="nobody knows", hint="ask.", severity="unknown")
ADVICE = Finding(code="A119", file="bin/app", message="may open libz.so.9", hint="bundle it.", severity="advice")
WAIVED = Finding(code="A105", file="bin/app", message="RUNPATH", hint="no.", waived="SDK, until 2027")


def test_causes_come_worst_first_each_with_its_remedy_once() -> None:
    other = Finding(code="A106", file="lib/b.so", message="executable", hint="link again.")
    assert render_findings([ADVICE, DOUBT, STACK, other, OLD]).splitlines() == [
        "A102 needs newer symbols than the box has",
        "  bin/app: needs X, brought in by libt.a(k.o)",
        "    remedy: link lower.",
        "    explained: edgebuild audit --explain A102",
        "A106 asks for an executable stack",
        "  lib/a.so: executable",
        "  lib/b.so: executable",
        "    remedy: link again.",
        "    explained: edgebuild audit --explain A106",
        "A108 cannot be mapped with the box's page size (unknown, which does not pass)",
        "  bin/app: nobody knows",
        "    remedy: ask.",
        "    explained: edgebuild audit --explain A108",
        "A119 opens a library by name that is neither bundled nor on the box (advice)",
        "  bin/app: may open libz.so.9",
        "    remedy: bundle it.",
        "    explained: edgebuild audit --explain A119",
    ]


def test_many_files_with_one_cause_are_folded() -> None:
    many = [Finding(code="A106", file=f"lib/{n:02}.so", message="executable", hint="link again.") for n in range(18)]
    lines = render_findings(many).splitlines()
    assert lines[-4:-2] == ["  lib/05.so: executable", "  and 12 more"]
    assert len(lines) == 10


def test_waived_findings_are_never_silent() -> None:
    assert render_findings([WAIVED]) == "waived: A105 bin/app: RUNPATH (SDK, until 2027)"


def test_a_file_name_cannot_steer_the_terminal() -> None:
    evil = Finding(code="A106", file="lib/\x1b[2J\n.so", message="executable")
    assert "lib/?[2J?.so: executable" in render_findings([evil])


def test_the_verdict_is_one_line() -> None:
    assert render_verdict([STACK, OLD, DOUBT, ADVICE, ADVICE, ADVICE]) == "refused: 2 errors, 1 unknown; 3 advice"
    assert render_verdict([DOUBT, DOUBT]) == "refused: 2 unknown"
    assert render_verdict([ADVICE, WAIVED]) == "passes; 1 advice; 1 waived"
    assert render_verdict([]) == "passes"


# ---- SARIF; against the published schema in tests/e2e/test_sarif.py ----


def test_sarif_names_the_rule_by_index_and_explains_it() -> None:
    (run,) = render_sarif([Audited("out/app", True, "box", [STACK, OLD, DOUBT])])["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[each["ruleIndex"]]["id"] for each in run["results"]] == ["A106", "A102", "A108"]
    assert rules[0]["shortDescription"]["text"] == CODES["A102"].title
    assert rules[0]["help"]["markdown"].startswith("# A102")


def test_sarif_levels_follow_severity_and_waivers_are_suppressions() -> None:
    (run,) = render_sarif([Audited("out/app", True, "box", [STACK, DOUBT, ADVICE, WAIVED])])["runs"]
    assert [each["level"] for each in run["results"]] == ["error", "warning", "note", "error"]
    assert [len(each.get("suppressions", ())) for each in run["results"]] == [0, 0, 0, 1]
    assert run["results"][3]["suppressions"][0]["justification"] == "SDK, until 2027"


def test_sarif_places_a_folders_file_in_it_and_an_archives_file_at_the_archive() -> None:
    def uri(audited: Audited) -> str:
        (result,) = render_sarif([audited])["runs"][0]["results"]
        assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "lib/a.so"
        place: str = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        return place

    assert uri(Audited("out/my app", True, "box", [STACK])) == "out/my%20app/lib/a.so"
    assert uri(Audited("dist/my.whl", False, "box", [STACK])) == "dist/my.whl"


def test_fingerprints_stay_when_a_message_counts_anew_and_differ_between_defects() -> None:
    def fingerprint(finding: Finding) -> str:
        (result,) = render_sarif([Audited("a", True, "b", [finding])])["runs"][0]["results"]
        value: str = result["partialFingerprints"]["edgebuild/v1"]
        return value

    reworded = Finding(code="A102", file="bin/app", message="needs X and 3 more", symbol="f@X")
    assert fingerprint(OLD) == fingerprint(reworded)
    assert len({fingerprint(each) for each in (STACK, OLD, DOUBT, ADVICE)}) == 4
