"""The real runner goes to emulated boxes over real SSH: first time, upgrade, nothing to do, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebuild.config.cmakelists import stated_version
from edgebuild.workspace import Workspace
from tests.boxes import Box, Kind, Rack
from tests.e2e.deploying import Home, deploy, reach, result_of
from tests.e2e.harness import REPOSITORY, edgebuild
from tests.e2e.releases import Workshop, next_edgecore, this_edgecore

_EMULATED_S = 600
OLD, NEW = stated_version(REPOSITORY / "cpp_core/CMakeLists.txt"), "99.0.0"


@pytest.fixture(scope="module")
def versions(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The runner as it is, and the next one: each with a tarball and an image."""
    folder = tmp_path_factory.mktemp("versions")
    return this_edgecore(workshop, folder / "this"), next_edgecore(workshop, folder / "next", NEW)


@pytest.fixture
def table() -> Iterator[list[str]]:
    """Seconds and bytes of every step; printed with the test (pytest -rA)."""
    lines: list[str] = []
    yield lines
    print("box | step | outcome | bytes sent | seconds | health\n" + "\n".join(lines))


def note(table: list[str], box: Box, step: str, result: dict[str, object]) -> None:
    words = (box.kind, step, *(result[key] for key in ("outcome", "bytes_sent", "seconds", "health")))
    table.append(" | ".join(map(str, words)))


@pytest.mark.parametrize(("kind", "options"), [("dropbear", ()), ("openssh", ()), ("engine", ("--format", "image"))])
def test_first_time_upgrade_nothing_to_do_and_back(
    kind: Kind,
    options: tuple[str, ...],
    versions: tuple[Path, Path],
    workshop: Workshop,
    clips: Path,
    cache: Workspace,
    tmp_path: Path,
    table: list[str],
) -> None:
    old, new = versions
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("source: {uri: bikes.mp4, loop: true}\nmodel: centerface.yaml\n")
    with Rack.open(tmp_path / "rack", cache) as rack:
        box = rack.add(kind)
        home = Home(box, "edgecore")
        home.seed(pipeline, clips / "bikes.mp4", clips / "centerface.yaml", clips / "centerface.onnx")
        state_before = {path.name: path.stat().st_mtime_ns for path in home.path("state").iterdir()}

        def step(title: str, release: Path, outcome: str, version: str) -> dict[str, object]:
            result = result_of(deploy(box, release, workshop.trusted, *options, timeout_s=_EMULATED_S).succeed())
            note(table, box, title, result)
            assert result["outcome"] == outcome, result
            assert str(result["after"]).startswith(f"{version}-") and home.current() == result["after"]
            return result

        first = step("first", old, "updated", OLD)
        assert frames(first) >= 1
        if not options:
            home.assert_complete(old)
        upgrade = step("upgrade", new, "updated", NEW)
        assert frames(upgrade) >= 1 and upgrade["before"] == first["after"]
        again = step("no-op", new, "unchanged", NEW)
        assert again["bytes_sent"] == 0
        back = result_of(
            edgebuild("rollback", *reach(box), "--name", "edgecore", "--json", timeout_s=_EMULATED_S).succeed()
        )
        note(table, box, "rollback", back)
        assert (back["outcome"], back["after"]) == ("updated", first["after"])
        assert frames(back) >= 1
        assert {path.name: path.stat().st_mtime_ns for path in home.path("state").iterdir()} == state_before


def frames(result: dict[str, object]) -> int:
    """As the runner's own health check on the box reported them."""
    match = re.search(r'"frames":\s*(\d+)', str(result["health"]))
    assert match, result
    return int(match[1])
