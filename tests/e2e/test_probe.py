"""A contract comes from a live box over SSH, and says what the box's own root folder says."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebuild.config.contracts import read_contract
from edgebuild.model.contract import Provided
from edgebuild.workspace import Workspace
from tests.boxes import Box, Kind, Rack
from tests.boxes.userland import provide_userland
from tests.e2e.harness import ARM, Ended, edgebuild

# What a folder cannot know: it has no kernel, no CPU, no running engine and no disk.
LIVE_ONLY = ("cpu", "page_size", "kernel", "free_bytes")
NOT_FACTS = ("sources", "title", "symbols")
CHANGED_FILES = "find / -xdev -type f -newer /etc/hostname 2>/dev/null | sort"


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory, cache: Workspace) -> Iterator[Rack]:
    with Rack.open(tmp_path_factory.mktemp("rack"), cache) as rack:
        yield rack


@pytest.fixture(scope="module")
def boxes(rack: Rack) -> dict[Kind, Box]:
    """Nothing but busybox and dropbear; Debian 11; Debian 13 with a container engine that runs."""
    return {
        "dropbear": rack.add("dropbear", "small"),
        "openssh": rack.add("openssh", "debian"),
        "engine": rack.add("engine", "engine"),
    }


@pytest.fixture(scope="module")
def probed(boxes: dict[Kind, Box], tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Path]:
    """The contract of every box, each in two words of a person: `edgebuild probe BOX`."""
    folder = tmp_path_factory.mktemp("contracts")
    for kind, box in boxes.items():
        before = box.run(CHANGED_FILES).stdout
        probe(box, folder / f"{kind}.yaml").succeed()
        assert box.run(CHANGED_FILES).stdout == before, "a probe only reads"
    return {kind: folder / f"{kind}.yaml" for kind in boxes}


def probe(box: Box, output: Path, *options: str) -> Ended:
    place = f"root@{box.address}:{box.port}"
    keys = ("--key", str(box.client_key), "--known-hosts", str(box.known_hosts))
    return edgebuild("probe", place, *keys, "-o", str(output), *options, timeout_s=600)


def facts_of_files(provided: Provided) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(provided.contract)
    return {name: value for name, value in facts.items() if name not in (*LIVE_ONLY, *NOT_FACTS)}


@pytest.mark.parametrize("kind", ["dropbear", "openssh"])
def test_a_box_says_over_ssh_what_its_root_folder_says(
    kind: Kind, boxes: dict[Kind, Box], probed: dict[Kind, Path], tmp_path: Path
) -> None:
    edgebuild("probe", "--root", str(boxes[kind].path("/")), "-o", str(tmp_path / "root.yaml")).succeed()
    live, root = read_contract(probed[kind]), read_contract(tmp_path / "root.yaml")
    assert facts_of_files(live) == facts_of_files(root)
    assert live.symbols == root.symbols
    assert [getattr(root.contract, name) for name in LIVE_ONLY[1:]] == [None, None, None]


@pytest.mark.parametrize("kind", ["dropbear", "openssh"])
def test_what_only_the_live_box_knows(kind: Kind, boxes: dict[Kind, Box], probed: dict[Kind, Path]) -> None:
    contract = read_contract(probed[kind]).contract
    assert contract.glibc == "2.31" and contract.engine == "none" and contract.pythons == ()
    assert contract.libraries["libstdc++.so.6"] == {"CXXABI": "1.3.12", "GLIBCXX": "3.4.28"}
    assert (contract.cpu.model, contract.cpu.emulated_as) == ("cortex-a53", "cortex-a53")
    assert contract.cpu.features == ("fp", "asimd", "evtstrm", "crc32", "cpuid")
    assert contract.page_size == 4096 and contract.free_bytes
    assert boxes[kind].run("uname -r").stdout.startswith(contract.kernel or "unknown")
    assert contract.programs is not None
    assert ("/bin/bash" in contract.programs) == (kind == "openssh") and "/bin/sh" in contract.programs
    assert set(contract.sources) >= {"cpu", "cpu.emulated_as", "libraries", "symbols", "kernel", "programs", "glibc"}


def test_an_engine_says_its_version_and_what_it_unpacks(boxes: dict[Kind, Box], probed: dict[Kind, Path]) -> None:
    contract = read_contract(probed["engine"]).contract
    version = boxes["engine"].run("docker version -f '{{.Server.Version}}'").stdout
    assert contract.engine is not None and contract.engine != "none"
    assert contract.engine.version and version.startswith(contract.engine.version)
    assert contract.engine.layers is not None and contract.engine.mounts == ()


@pytest.mark.parametrize(
    ("trouble", "sign"),
    [
        ("mount -o remount,ro /", "! touch /etc/anything"),
        ("mount -t tmpfs -o noexec none /tmp", "cd /tmp && cp /bin/busybox . && ! ./busybox true"),
        (
            "sed -i 's,^exec,echo Welcome to this box; PATH=/nowhere; exec,' /usr/libexec/login-shell",
            "[ $PATH = /nowhere ]",
        ),
    ],
    ids=["a read-only root", "nothing starts in /tmp", "no PATH and a greeting"],
)
def test_a_box_in_a_poor_state_says_the_same(
    trouble: str, sign: str, rack: Rack, probed: dict[Kind, Path], tmp_path: Path
) -> None:
    box = rack.add("dropbear", f"poor{len(rack.boxes)}")
    box.run(trouble)
    assert box.run(sign).code == 0, "the box is not in the state that this test is about"
    probe(box, tmp_path / "poor.yaml").succeed()
    poor, well = (facts_of_files(read_contract(path)) for path in (tmp_path / "poor.yaml", probed["dropbear"]))
    assert poor == well


def test_what_is_too_large_to_fetch_is_known_by_name(boxes: dict[Kind, Box], tmp_path: Path) -> None:
    assert "too large" in probe(boxes["openssh"], tmp_path / "few.yaml", "--max-mb", "6").succeed().stderr
    few = read_contract(tmp_path / "few.yaml")
    assert "libc.so.6" in few.symbols and few.contract.glibc == "2.31"
    unread = [name for name, nodes in few.contract.libraries.items() if name not in few.symbols and not nodes]
    assert unread, "all of Debian's libraries are less than 6 MB?"


def test_an_image_says_what_its_root_folder_says(cache: Workspace, tmp_path: Path) -> None:
    root = provide_userland("debian-arm64", cache)
    write_image(root, tmp_path / "box.tar")
    edgebuild("probe", "--image", str(tmp_path / "box.tar"), "-o", str(tmp_path / "image.yaml")).succeed()
    edgebuild("probe", "--root", str(root), "-o", str(tmp_path / "root.yaml")).succeed()
    image, folder = read_contract(tmp_path / "image.yaml"), read_contract(tmp_path / "root.yaml")
    assert facts_of_files(image) == facts_of_files(folder) and image.symbols == folder.symbols


def write_image(root: Path, archive: Path) -> None:
    """One layer, as `docker save` writes it."""
    layer = archive.with_name("layer.tar")
    with tarfile.open(layer, "w") as tar:
        for path in sorted(root.iterdir()):
            tar.add(path, arcname=path.name)
    documents = {
        "config.json": {"architecture": "arm64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}},
        "manifest.json": [{"Config": "config.json", "RepoTags": ["box:1"], "Layers": ["layer.tar"]}],
    }
    with tarfile.open(archive, "w") as tar:
        tar.add(layer, arcname="layer.tar")
        for name, document in documents.items():
            content = json.dumps(document).encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_a_verdict_in_two_commands(probed: dict[Kind, Path], cache: Workspace) -> None:
    """Nothing but the contract of a box says what it loads: its own programs, and not those of a newer system."""
    own = provide_userland("debian-arm64", cache) / "usr/bin/gzip"
    newer = provide_userland("engine-arm64", cache) / "usr/bin/grep"
    contract = ("--contract", str(probed["openssh"]))
    edgebuild("audit", str(own), *contract).succeed()
    refused = edgebuild("audit", str(newer), *contract)
    assert refused.code == 5 and "A102" in refused.stdout + refused.stderr


def test_a_fleet_has_a_floor(probed: dict[Kind, Path], tmp_path: Path) -> None:
    boxes = [str(probed[kind]) for kind in ("openssh", "engine")]
    edgebuild("contract", "merge", *boxes, "-o", str(tmp_path / "floor.yaml")).succeed()
    floor = read_contract(tmp_path / "floor.yaml").contract
    assert floor.glibc == "2.31" and floor.engine == "none"
    rows = edgebuild("contract", "diff", *boxes, "--json").json()["differences"]
    changes = {row["fact"]: row["change"] for row in rows}
    assert changes["glibc"] == "raised" and changes["library libc.so.6"] == "raised"
    assert edgebuild("contract", "diff", ARM, ARM).succeed().stdout.strip().endswith("state the same facts.")
