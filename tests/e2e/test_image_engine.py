"""What the audit says of an image's packing is what the engine on this machine does with it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker  # type: ignore[import-untyped]
import pytest

from edgebuild.audit.image import check_image
from edgebuild.inputs import read_artifact
from edgebuild.model.contract import Contract, CpuSpec, EngineFacts, Provided
from edgebuild.workspace import Workspace
from tests.fuzz import seeds

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    client = docker.from_env()
    client.ping()
    yield client
    client.close()


def provided_by(client: Any) -> Provided:
    """A contract that says of the engine nothing but its version, so that the audit's own table decides."""
    version = re.match(r"\d+(\.\d+)*", client.version()["Version"])
    assert version is not None
    engine = EngineFacts(name="docker", version=version[0], seccomp="2.5.4", mounts=())
    cpu = CpuSpec(model="any", emulated_as="any")
    return Provided(contract=Contract(title="this machine", arch="aarch64", cpu=cpu, libraries={}, engine=engine))


def image(tmp_path: Path, form: str, packing: str) -> Path:
    """With a layer that no other test has, because an engine does not unpack what it has already."""
    layer = seeds.tar({"etc/unique": uuid.uuid4().bytes, "app/bin/program": seeds.elves()[0]})
    config = {
        "architecture": "arm64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [seeds.digest_of(layer)]},
        "config": {"Entrypoint": ["/app/bin/program"]},
    }
    path = tmp_path / "image.tar"
    path.write_bytes(seeds.image((seeds.PACKERS[packing](layer),), form, config))
    return path


def loads(client: Any, path: Path) -> bool:
    try:
        with path.open("rb") as file:
            images = client.images.load(file)
    except docker.errors.DockerException as err:
        print(f"the engine says: {err}")
        return False
    for each in images:
        client.images.remove(each.id, force=True)
    return True


@pytest.mark.parametrize("packing", ["", "gz", "zst"])
@pytest.mark.parametrize("form", ["docker", "both", "oci"])
def test_the_engine_takes_what_the_audit_lets_pass(
    form: str, packing: str, client: Any, tmp_path: Path, ws: Workspace
) -> None:
    path = image(tmp_path, form, packing)
    tree = read_artifact(path, ws=ws, isa=False)
    found = {each.severity for each in check_image(tree, provided_by(client)) if each.code == "A128"}
    if "unknown" in found:
        return  # whether a layout loads depends on how the engine of 25 to 28 is set up, and the audit says so
    assert loads(client, path) == (not found)


def test_an_image_of_the_engine_has_the_facts_of_its_archive(client: Any, tmp_path: Path, ws: Workspace) -> None:
    path = image(tmp_path, "docker", "gz")
    archive = read_artifact(path, ws=ws, isa=False)
    with path.open("rb") as file:
        (loaded,) = client.images.load(file)
    try:
        held = read_artifact(f"docker:{loaded.id}", ws=ws, isa=False)
    finally:
        client.images.remove(loaded.id, force=True)
    assert held.image is not None and archive.image is not None
    assert (held.kind, held.image.form, held.image.architecture) == ("image", "engine", "arm64")
    assert (held.elves, held.image.command) == (archive.elves, archive.image.command)
