"""The audit against the truth: what it says of an artifact is what the loader of an arm64 root does with it."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgebuild.inputs import read_artifact
from edgebuild.model.tree import TreeFacts
from edgebuild.workspace import Workspace
from tests.truth.artifacts import Artifact, provide_downloaded
from tests.truth.judge import Pair, judge, render_table
from tests.truth.observe import Observed, observe, place_of
from tests.truth.own import provide_own
from tests.truth.roots import Root, provide_roots

# (artifact, root) -> why the audit and the loader may differ there.
_PROMISE = "A123 refuses a private function under abi3, which is a promise to every Python; these two still have it"
EXPLAINED = {
    ("own/executable-stack", "debian-13"): "A106 refuses it on every box; only loaders from glibc 2.41 on do so too",
    ("own/extension-abi3-private", "debian-11"): _PROMISE,
    ("own/extension-abi3-private", "debian-12"): _PROMISE,
    ("own/extension-cp311-nobody-has", "debian-12"): (
        "a function that no Python ever had; Debian's interpreter has no library whose symbols the contract could list"
    ),
}
# What a refusal says -> codes that explain it. dlopen tells of a wrong machine or kernel as of no file at all.
_REASONS = {
    r"version `.*' not found|^Inconsistency detected": {"A102"},
    r"cannot open shared object file": {"A101", "A103", "A132"},
    r"undefined symbol: _?Py": {"A123", "A124"},
    r"undefined symbol": {"A110"},
    r"ModuleNotFoundError|cannot import name|importing numpy": {"A121", "A124"},
    r"bad magic number": {"A126"},
    r"Could not open '": {"A107"},
    r"Invalid ELF image|OS ABI invalid": {"A101"},
    r": No such file$": {"A125"},
    r"static TLS block": {"A133"},
    r"file too short|SIGBUS": {"A109"},
    r"SIGSEGV": {"A134"},
}
_LEAST_PAIRS, _LEAST_FAILING, _LEAST_LOADING = 200, 60, 100


@pytest.fixture(scope="module")
def roots(cache: Workspace) -> tuple[Root, ...]:
    return provide_roots(cache)


@pytest.fixture(scope="module")
def pairs(cache: Workspace, roots: tuple[Root, ...]) -> list[Pair]:
    """Every artifact in every root; a file that two suites share counts once."""
    opener, own = provide_own(cache, roots)
    artifacts = list({artifact.digest: artifact for artifact in (*own, *provide_downloaded(cache))}.values())
    tried = [(artifact, root) for artifact in artifacts for root in roots]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        observed = list(pool.map(lambda pair: observe(*pair, opener, ws=cache), tried))
    trees = {artifact.name: _read(artifact, cache) for artifact in artifacts}
    return [
        judge(artifact, trees[artifact.name], root, seen)
        for (artifact, root), seen in zip(tried, observed, strict=True)
    ]


def _read(artifact: Artifact, ws: Workspace) -> TreeFacts:
    """Without instructions: what a CPU lacks is another test's matter."""
    return read_artifact(artifact.path, ws=ws, isa=False)


def test_audit_and_loader_agree(pairs: list[Pair]) -> None:
    print(render_table(pairs))
    differing = {(pair.artifact.name, pair.root.name) for pair in pairs if not pair.agrees}
    assert differing == set(EXPLAINED), render_table(pairs)


def test_the_audit_names_the_reason_that_the_loader_names(pairs: list[Pair]) -> None:
    """Not only that it fails: one of the codes is about what the loader, Python or the kernel complains of."""
    wrong = [
        f"{pair.name}: {pair.observed.says}, but {', '.join(each.code for each in pair.refusals)}"
        for pair in pairs
        if pair.observed.loads is False and pair.refusals
        if not {each.code for each in pair.refusals} & reasons_for(pair.observed.says)
    ]
    assert wrong == []


def reasons_for(says: str) -> set[str]:
    return next(codes for pattern, codes in _REASONS.items() if re.search(pattern, says))


def test_every_pair_has_a_clear_answer(pairs: list[Pair]) -> None:
    assert [(pair.name, pair.observed.says) for pair in pairs if pair.observed.loads is None] == []


def test_nothing_is_unknown_where_the_whole_root_is_known(pairs: list[Pair]) -> None:
    unknown = [(pair.name, each.message) for pair in pairs for each in pair.others if each.severity == "unknown"]
    assert unknown == []


def test_the_mix_is_wide_enough_to_mean_something(pairs: list[Pair]) -> None:
    failing = sum(pair.observed.loads is False for pair in pairs)
    assert len(pairs) >= _LEAST_PAIRS
    assert failing >= _LEAST_FAILING
    assert len(pairs) - failing >= _LEAST_LOADING
    assert len({each.code for pair in pairs for each in pair.refusals}) >= 10


def test_another_roots_contract_would_be_noticed(pairs: list[Pair], roots: tuple[Root, ...], cache: Workspace) -> None:
    """The comparison can fail: Debian 11 judged by Debian 13's contract is wrong in many pairs."""
    old, _, new = roots
    wrong = [
        judged
        for pair in pairs
        if pair.root == old
        and not (judged := judge(pair.artifact, _read(pair.artifact, cache), new, pair.observed)).agrees
    ]
    assert len(wrong) > 50


def test_what_was_seen_is_kept_and_can_be_seen_afresh(
    cache: Workspace, roots: tuple[Root, ...], pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    opener, _ = provide_own(cache, roots)
    pair = next(each for each in pairs if each.artifact.name == "own/runpath")
    place = place_of(pair.artifact, pair.root, opener, cache)
    kept = place.read_bytes()
    monkeypatch.delenv("EDGEBUILD_TRUTH_FRESH", raising=False)
    place.write_bytes(b'{"loads":false,"says":"forged"}')
    try:
        assert observe(pair.artifact, pair.root, opener, ws=cache) == Observed(False, "forged")
        monkeypatch.setenv("EDGEBUILD_TRUTH_FRESH", "1")
        assert observe(pair.artifact, pair.root, opener, ws=cache) == Observed(True)
    finally:
        place.write_bytes(kept)
