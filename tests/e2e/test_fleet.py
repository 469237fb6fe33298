"""Several boxes: a bad release ends at the canary, and a box that is off gets its turn later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebuild.workspace import Workspace
from tests.boxes import Rack
from tests.e2e.deploying import Home, results_of
from tests.e2e.harness import Ended, edgebuild
from tests.e2e.releases import Workshop

BOXES = 5


@pytest.fixture
def rack(cache: Workspace, tmp_path: Path) -> Iterator[Rack]:
    with Rack.open(tmp_path / "rack", cache) as rack:
        for number in range(BOXES):
            rack.add("dropbear" if number % 2 else "openssh")
        yield rack


def deploy_fleet(rack: Rack, release: Path, workshop: Workshop) -> Ended:
    known_hosts = rack.folder / "known_hosts"
    known_hosts.write_text("".join(f"{box.host_key}\n" for box in rack.boxes))
    boxes = "".join(f"  - {{id: {box.name}, address: 'root@{box.address}:{box.port}'}}\n" for box in rack.boxes)
    fleet = rack.folder / "fleet.yaml"
    fleet.write_text(
        f"release: {release}\nboxes:\n{boxes}"
        f"defaults: {{key: {rack.client_key}}}\nrollout: {{canary: 1, parallel: 4}}\n"
    )
    words = ("--known-hosts", known_hosts, "--trusted", workshop.trusted, "--json")
    return edgebuild("deploy", fleet, *words, timeout_s=600)


def outcomes(ended: Ended) -> list[str]:
    return [result["outcome"] for result in results_of(ended)]


def test_a_release_that_is_not_well_stops_at_the_canary_and_a_box_that_was_off_converges(
    rack: Rack, workshop: Workshop
) -> None:
    good, bad, better = (
        workshop.release("1.0.0"),
        workshop.release("1.1.0", well=False),
        workshop.release("1.2.0"),
    )
    homes = [Home(box, "beat") for box in rack.boxes]
    asleep = rack.boxes[3]

    asleep.off()
    first = deploy_fleet(rack, good, workshop)
    assert (first.code, outcomes(first)) == (8, ["updated"] * 3 + ["pending", "updated"]), first.stderr
    asleep.on()
    second = deploy_fleet(rack, good, workshop)
    assert (second.code, outcomes(second)) == (0, ["unchanged"] * 3 + ["updated", "unchanged"]), second.stderr
    assert [home.assert_beats("1.0.0") for home in homes] == ["1.0.0"] * BOXES

    stopped = deploy_fleet(rack, bad, workshop)
    assert (stopped.code, outcomes(stopped)) == (7, ["rolled_back"] + ["skipped"] * 4), stopped.stderr
    canary = results_of(stopped)[0]
    assert canary["after"] == canary["before"] == homes[0].current()
    assert [home.assert_beats("1.0.0") for home in homes] == ["1.0.0"] * BOXES
    homes[0].assert_complete(good)

    last = deploy_fleet(rack, better, workshop)
    assert (last.code, outcomes(last)) == (0, ["updated"] * BOXES), last.stderr
    assert [home.assert_beats("1.2.0") for home in homes] == ["1.2.0"] * BOXES
