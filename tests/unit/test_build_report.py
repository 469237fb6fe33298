"""What a build of several rows ends with: each row's floor, size, cost and proof, and what sharing the core saved."""

from __future__ import annotations

import pytest

from edgebuild.commands.report import build_report, noted_cores, render_report, row_report
from edgebuild.config.targets import load_target
from edgebuild.errors import BuildError
from edgebuild.model.cost import Cost
from edgebuild.model.product import Artifact, Product
from edgebuild.workspace import Workspace

ROW, OTHER = "generic-arm64", "generic-x86_64"
ABI = {
    "bin/edgecore": {"GLIBC": "2.9"},
    "lib/edgecore/libedgecore-cpu.so": {"GLIBC": "2.17"},
    "lib/edgecore/libonnxruntime.so.1": {"GLIBC": "2.28", "GLIBCXX": "3.4.22"},
    "lib/plain.so": {},
}


def artifact(target: str, arch: str, core: str) -> Artifact:
    products = (
        Product(kind="tarball", path="a.tar.gz", sha256="a" * 64, size_bytes=12_400_000),
        Product(kind="image", path="a.image.tar", sha256="b" * 64, size_bytes=14_400_000),
        Product(kind="tests", path="a-tests.tar.gz", sha256="c" * 64, size_bytes=1_000),
    )
    return Artifact(
        name="edgecore",
        version="1",
        target=target,
        arch=arch,
        plan="p" * 64,
        products=products,
        abi=ABI,
        made_from={"core": core},
    )


def made(ws: Workspace, core: str) -> None:
    ws.provide("core", "core-x", core, lambda _: None, "Compiling")


def test_a_row_tells_the_highest_need_of_ours_by_value_and_that_of_others_apart(ws: Workspace) -> None:
    spec = load_target(ROW, ws)
    row = row_report(spec, artifact(ROW, "aarch64", "c" * 64), Cost(4.0, 3.5))
    assert (row.glibc, row.glibc_bundled, row.glibc_allowed) == ("2.17", "2.28", "2.31")
    assert row.size_bytes == 12_400_000
    assert (row.proof, row.proof_by) == (spec.row.proof.level, spec.row.proof.by)


@pytest.mark.parametrize("compiled_now", [True, False])
def test_sharing_a_core_saves_one_compilation_for_each_row_that_did_without(ws: Workspace, compiled_now: bool) -> None:
    core = "c" * 64
    known = noted_cores(ws)
    made(ws, core)
    rows = [row_report(load_target(ROW, ws), artifact(ROW, "aarch64", core), Cost(1, 1)) for _ in range(3)]
    report = build_report(rows, known=known if compiled_now else noted_cores(ws), ws=ws)
    (shared,) = report.shared
    cost = ws.cost_of("core", core)
    assert cost == shared.cost
    spared = 2 if compiled_now else 3
    assert (shared.rows, shared.saved.wall_s) == (3, round(spared * shared.cost.wall_s, 1))
    words = "compiled once for 3 rows" if compiled_now else "taken from the cache for 3 rows"
    assert words in render_report(report)[-1]


def test_a_core_that_nobody_has_timed_is_not_guessed_at(ws: Workspace) -> None:
    rows = [row_report(load_target(OTHER, ws), artifact(OTHER, "x86_64", "d" * 64), Cost(1, 1))]
    report = build_report(rows, known=frozenset(), ws=ws)
    assert report.shared == ()
    head, line = render_report(report)
    assert head.split()[:4] == ["target", "GLIBC", "bundled", "allowed"]
    assert line.split() == [OTHER, "2.17", "2.28", "2.31", "12.4", "1.0", "1.0", "native"]


def test_a_row_that_lay_there_already_costs_and_saves_nothing(ws: Workspace) -> None:
    core = "f" * 64
    made(ws, core)
    rows = [row_report(load_target(ROW, ws), artifact(ROW, "aarch64", core), Cost(0.1, 0.1), reused=True)]
    report = build_report(rows, known=noted_cores(ws), ws=ws)
    assert report.shared == ()
    assert render_report(report)[1].split()[-3:] == ["reused", "-", "emulated"]


def test_a_product_that_failed_has_no_cost(ws: Workspace) -> None:
    def fail(_: object) -> None:
        raise BuildError("no")

    with pytest.raises(BuildError):
        ws.provide("core", "core-x", "e" * 64, fail, "Compiling")
    assert ws.cost_of("core", "e" * 64) is None
