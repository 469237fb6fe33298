"""Sealing: equal artifacts give equal releases, a release appears whole, and what could not be opened never appears."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import msgspec
import pytest

from edgebuild.errors import ConfigError, NotAvailable, VerificationError
from edgebuild.model.product import Artifact, Product
from edgebuild.model.project import HealthSpec
from edgebuild.model.target import ContainerSpec
from edgebuild.package import seal as sealing
from edgebuild.package.release import MANIFEST, SIGNATURE, canonical, open_release, payload_id
from edgebuild.package.seal import describe, seal
from edgebuild.workspace import Workspace
from tests.releases import GOOD, PROJECT, Member, artifact_of, link, member, signing_key, trusting, write_members

KEY = signing_key()
DRIVERS = ContainerSpec(mounts=("/opt/sdk:ro",), devices=("/dev/x*", "/dev/vpu"))
ARM, PC = "generic-arm64", "generic-x86_64"
ABI = {
    "bin/beat": {"GLIBC": "2.4", "GLIBCXX": "3.4.9"},
    "lib/a": {"GLIBC": "2.28"},
    "lib/b": {"GLIBC": "2.17", "GLIBCXX": "3.4.22", "ODD": ""},
}


def built(ws: Workspace, row: str = ARM, *more: Member) -> Artifact:
    tarball = write_members(ws.out / row / f"beat-1.0-{row}.tar.gz", *GOOD, *more)
    return artifact_of(tarball, target=row, abi=ABI)


def built_image(ws: Workspace, *, row: str = ARM, says: str = "", config: str = "c" * 64) -> Product:
    """As much of a docker-archive as a release looks into. says: image id of the product, the archive's by default."""
    contents = {
        "manifest.json": json.dumps([{"Config": f"blobs/sha256/{config}", "RepoTags": [f"beat:1.0-{row}"]}]).encode(),
        "index.json": b'{"manifests": [{"digest": "sha256:1"}]}',
        "blobs/sha256/layer": gzip.compress(b"l" * 5000),
    }
    path = ws.out / row / f"beat-1.0-{row}.image.tar"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in contents.items():
            archive.addfile(member(name, content)[0], io.BytesIO(content))
    return Product(
        kind="image",
        path=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size_bytes=path.stat().st_size,
        image=f"beat:1.0-{row}",
        image_id=says or f"sha256:{config}",
    )


def sealed(ws: Workspace, *artifacts: Artifact, version: str = "1.0") -> Path:
    return seal(describe(PROJECT, artifacts, version=version, out=ws.out), KEY, ws=ws)


def files_of(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir()}


def test_equal_artifacts_give_equal_bytes_in_any_order(ws: Workspace) -> None:
    arm, pc = built(ws, ARM), built(ws, PC)
    first = files_of(sealed(ws, arm, pc))
    shuffled = msgspec.structs.replace(arm, abi=dict(reversed(arm.abi.items())))
    assert files_of(sealed(ws, pc, shuffled)) == first
    assert set(first) == {MANIFEST, SIGNATURE, f"beat-1.0-{ARM}.tar.gz", f"beat-1.0-{PC}.tar.gz"}


def test_needs_are_the_highest_versions_as_numbers_not_as_texts(ws: Workspace) -> None:
    row = describe(PROJECT, [built(ws)], version="1.0", out=ws.out).rows[ARM]
    assert row.needs == {"GLIBC": "2.28", "GLIBCXX": "3.4.22", "ODD": ""}
    assert row.machine == "aarch64"


def test_an_id_stands_for_version_bytes_run_and_health() -> None:
    health = HealthSpec(cmd="bin/beat")
    ids = {
        payload_id("1.0", "a", "run", health),
        payload_id("1.1", "a", "run", health),
        payload_id("1.0", "b", "run", health),
        payload_id("1.0", "a", "other", health),
        payload_id("1.0", "a", "run", HealthSpec(cmd="bin/beat", timeout="61s")),
        payload_id("1.0", "a", "run", None),
        payload_id("1.0", "a", "run", health, DRIVERS),
    }
    assert len(ids) == 7
    assert payload_id("1.0", "a", "run", HealthSpec(cmd="bin/beat")) in ids


def test_what_a_row_s_containers_get_of_the_box_is_signed_and_counts_for_images_alone(
    ws: Workspace, tmp_path: Path
) -> None:
    artifact, image = built(ws), built_image(ws)
    artifact = msgspec.structs.replace(artifact, products=(image, *artifact.products))
    plain = describe(PROJECT, [artifact], version="1.0", out=ws.out)
    assert b"container" not in canonical(plain)
    release = describe(PROJECT, [artifact], version="1.0", out=ws.out, containers={ARM: DRIVERS})
    row = open_release(seal(release, KEY, ws=ws), trusting(tmp_path / "trusted_keys", KEY)).rows[ARM]
    assert row.container == DRIVERS
    same = {each.format: each.id == plain.rows[ARM].payloads[n].id for n, each in enumerate(row.payloads)}
    assert same == {"tarball": True, "image": False}


@pytest.mark.parametrize("given", ["/", "opt", "/a;b", "/a b", "/../etc", "/a:rx", "/a\n", "/a:/b:/c"])
def test_a_mount_that_is_no_plain_folder_is_nobody_s(given: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"mounts": [given]}, ContainerSpec)


@pytest.mark.parametrize("given", ["/dev", "/etc/x", "/dev/../etc", "/dev/$(id)", "/dev/a b", "/dev/a\n"])
def test_a_device_that_is_none_is_nobody_s(given: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"devices": [given]}, ContainerSpec)


def test_a_tarball_and_an_image_of_one_row_travel_together(ws: Workspace, tmp_path: Path) -> None:
    artifact, image = built(ws), built_image(ws)
    artifact = msgspec.structs.replace(artifact, products=(image, *artifact.products))
    release = open_release(sealed(ws, artifact), trusting(tmp_path / "trusted_keys", KEY))
    payload = release.rows[ARM].payload("image")
    assert payload is not None
    assert (payload.image, payload.image_id, payload.files) == (image.image, image.image_id, ())
    assert payload.unpacked_bytes > 5000 > image.size_bytes - 10_000
    assert payload.id != release.rows[ARM].payloads[0].id


def test_an_image_that_is_another_than_the_artifact_says_is_never_sealed(ws: Workspace) -> None:
    image = built_image(ws, says="sha256:" + "0" * 64)
    artifact = msgspec.structs.replace(built(ws), products=(image,))
    with pytest.raises(VerificationError, match=r"the manifest says beat:1\.0-generic-arm64 sha256:000"):
        sealed(ws, artifact)
    assert list((ws.out / "releases").iterdir()) == []


def test_an_image_id_is_a_digest(ws: Workspace) -> None:
    artifact = msgspec.structs.replace(built(ws), products=(built_image(ws, config="latest"),))
    with pytest.raises(VerificationError, match="sha256:latest"):
        sealed(ws, artifact)


def test_debug_files_wheels_and_tests_stay_at_home(ws: Workspace) -> None:
    artifact = built(ws)
    extra = tuple(msgspec.structs.replace(artifact.products[0], kind=kind) for kind in ("debug", "wheel", "tests"))
    artifact = msgspec.structs.replace(artifact, products=(*extra, *artifact.products))
    assert len(describe(PROJECT, [artifact], version="1.0", out=ws.out).rows[ARM].payloads) == 1
    with pytest.raises(NotAvailable, match="neither a tarball nor an image") as nothing:
        describe(PROJECT, [msgspec.structs.replace(artifact, products=extra)], version="1.0", out=ws.out)
    assert "edgebuild build --target generic-arm64" in nothing.value.hint


def test_sealing_again_changes_nothing_and_other_bytes_make_the_old_release_way(ws: Workspace) -> None:
    place = sealed(ws, built(ws))
    inode = place.stat().st_ino
    assert sealed(ws, built(ws)).stat().st_ino == inode
    (place / SIGNATURE).write_bytes(b"damaged")
    assert sealed(ws, built(ws)).stat().st_ino != inode
    before = files_of(place)
    assert files_of(sealed(ws, built(ws, ARM, member("beat/new", b"n")))) != before
    assert [path.name for path in (ws.out / "releases").iterdir()] == ["beat-1.0"]


def test_a_release_that_fails_half_way_leaves_the_old_one(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_of(sealed(ws, built(ws)))

    def full_disk(folder: Path, _trusted: object) -> None:
        assert (folder / SIGNATURE).is_file()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealing, "verify_folder", full_disk)
    with pytest.raises(OSError, match="No space"):
        sealed(ws, built(ws, ARM, member("beat/new", b"n")))
    assert files_of(ws.out / "releases" / "beat-1.0") == before
    assert [path.name for path in (ws.out / "releases").iterdir()] == ["beat-1.0"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((link("beat/out", "../../etc"),), "would leave the folder"),
        ((member("beat/a\nb", b""),), "not every box"),
        ((member("beat/su", b"", mode=0o4755),), "set-id"),
    ],
)
def test_what_a_box_would_refuse_is_refused_before_it_is_signed(
    more: tuple[Member, ...], message: str, ws: Workspace
) -> None:
    with pytest.raises(VerificationError, match=message):
        sealed(ws, built(ws, ARM, *more))
    assert not (ws.out / "releases").exists()


def test_an_artifact_that_changed_since_it_was_built_is_refused(ws: Workspace) -> None:
    artifact = built(ws)
    built(ws, ARM, member("beat/new", b"n"))
    with pytest.raises(VerificationError, match=r"beat-1\.0-generic-arm64\.tar\.gz: \d+ bytes, expected"):
        sealed(ws, artifact)


@pytest.mark.parametrize("version", ["", "1/2", "../1", "1 2", "-1", ".1", "1\n", "1" * 65, "1$(reboot)"])
def test_a_version_that_could_be_no_folder_on_a_box_is_refused(version: str, ws: Workspace) -> None:
    with pytest.raises(ConfigError, match="a release's version has"):
        sealed(ws, built(ws), version=version)


@pytest.mark.parametrize(
    ("key", "program"), [("run", "bin/other"), ("run", "${APP}/lib/libx.so.1"), ("health.cmd", "bin/check")]
)
def test_a_program_that_was_not_built_is_not_sealed(ws: Workspace, key: str, program: str) -> None:
    """edgebuild.yaml says something else than when the target was built."""
    change = {"run": program} if key == "run" else {"health": HealthSpec(cmd=program)}
    project = msgspec.structs.replace(PROJECT, **change)
    with pytest.raises(ConfigError, match=f"{key}: .* has no program") as caught:
        describe(project, [built(ws)], version="1.0", out=ws.out)
    assert "build it again" in caught.value.hint


@pytest.mark.parametrize("program", ["${APP}/bin/beat", "tools/beat"])
def test_a_program_may_lie_behind_a_link(ws: Workspace, program: str) -> None:
    project = msgspec.structs.replace(PROJECT, run=program)
    assert describe(project, [built(ws, ARM, link("beat/tools", "bin"))], version="1.0", out=ws.out).run == program


def test_another_projects_artifact_is_refused(ws: Workspace) -> None:
    with pytest.raises(ConfigError, match="is 'other', not 'beat'"):
        sealed(ws, msgspec.structs.replace(built(ws), name="other"))
