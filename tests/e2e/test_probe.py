"""A contract comes from a live box over SSH, and says what the box's own root folder says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebuild.config.contracts import read_contract
from edgebuild.model.contract import Provided
from edgebuild.workspace import Workspace
from tests.boxes import Box, Kind, Rack
from tests.boxes.rack import USERLAND
from tests.boxes.userland import provide_userland
from tests.e2e.harness import Ended, edgebuild

# What a folder cannot know: it has no kernel, no CPU, no running engine and no disk.
LIVE_ONLY = ("cpu", "page_size", "kernel", "free_bytes", "sources", "title")


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory, cache: Workspace) -> Iterator[Rack]:
    with Rack.open(tmp_path_factory.mktemp("rack"), cache) as rack:
        yield rack


@pytest.fixture(scope="module")
def boxes(rack: Rack) -> dict[Kind, Box]:
    return {"dropbear": rack.add("dropbear", "small"), "openssh": rack.add("openssh", "debian")}


def probe(box: Box, output: Path, *options: str) -> Ended:
    place = f"root@{box.address}:{box.port}"
    keys = ("--key", str(box.client_key), "--known-hosts", str(box.known_hosts))
    return edgebuild("probe", place, *keys, "-o", str(output), *options, timeout_s=600)


def facts_of_files(provided: Provided) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(provided.contract)
    return {name: value for name, value in facts.items() if name not in (*LIVE_ONLY, "symbols")}


@pytest.mark.parametrize("kind", ["dropbear", "openssh"])
def test_a_box_says_over_ssh_what_its_root_folder_says(
    kind: Kind, boxes: dict[Kind, Box], tmp_path: Path, cache: Workspace
) -> None:
    box = boxes[kind]
    before = box.run("find / -xdev -newer /etc/hostname -type f 2>/dev/null | sort").stdout
    document = probe(box, tmp_path / "live.yaml", "--json").json()
    assert box.run("find / -xdev -newer /etc/hostname -type f 2>/dev/null | sort").stdout == before, "it only reads"
    edgebuild("probe", "--root", str(box.path("/")), "-o", str(tmp_path / "root.yaml")).succeed()
    live, root = read_contract(tmp_path / "live.yaml"), read_contract(tmp_path / "root.yaml")
    assert facts_of_files(live) == facts_of_files(root)
    assert live.symbols == root.symbols
    assert "libc.so.6" in live.symbols and live.contract.glibc == "2.31"
    assert live.contract.libraries["libstdc++.so.6"] == {"CXXABI": "1.3.12", "GLIBCXX": "3.4.28"}
    assert (live.contract.cpu.model, live.contract.cpu.emulated_as) == ("cortex-a53", "cortex-a53")
    assert live.contract.page_size == 4096 and live.contract.kernel and live.contract.free_bytes
    assert document["unknown"] == ["model"]
    assert json.dumps(document["contract"], sort_keys=True)
    assert provide_userland(USERLAND[kind], cache).is_dir()
