"""What must not reach a box is refused with its own message and exit code, and the box stays as it was."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from edgebuild.model.release import Release
from edgebuild.package.release import canonical, payload_id
from edgebuild.package.sign import load_key
from edgebuild.workspace import Workspace
from tests.boxes import Box, Rack
from tests.boxes.layout import Keys
from tests.e2e.deploying import Home, deploy
from tests.e2e.harness import ARM, NATIVE, Ended
from tests.e2e.releases import Workshop


@pytest.fixture(scope="module")
def settled(cache: Workspace, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A box that runs beat 1.0.0."""
    with Rack.open(tmp_path_factory.mktemp("rack"), cache) as rack:
        box = rack.add("dropbear", disk_bytes=64 << 20)
        deploy(box, workshop.release("1.0.0"), workshop.trusted).succeed()
        yield Home(box, "beat")


@pytest.fixture
def home(settled: Home) -> Iterator[Home]:
    """The same box; afterwards it is as it was and beats on."""
    before = settled.fingerprint()
    assert len(before) > 4
    yield settled
    assert settled.fingerprint() == before
    settled.assert_beats("1.0.0")


@pytest.fixture(scope="module")
def next_release(workshop: Workshop) -> Path:
    return workshop.release("1.1.0")


def assert_refused(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, ended.stderr
    assert "Traceback" not in ended.stderr
    said = ended.stderr + ended.stdout
    assert all(word in said for word in words), said


def with_known_hosts(box: Box, text: str, folder: Path) -> Box:
    """The same box, and another idea of its host key."""
    file = folder / "known_hosts"
    file.write_text(text)
    clone = object.__new__(Box)
    clone.__dict__ = {**vars(box), "known_hosts": file}
    return clone


def test_an_unknown_host_key(home: Home, next_release: Path, workshop: Workshop, tmp_path: Path) -> None:
    box = with_known_hosts(home.box, "", tmp_path)
    assert_refused(deploy(box, next_release, workshop.trusted), 6, "SHA256:", "box adopt")


def test_a_changed_host_key(home: Home, next_release: Path, workshop: Workshop, tmp_path: Path) -> None:
    other = f"[{home.box.address}]:{home.box.port} {Keys.generate().public_line()}\n"
    box = with_known_hosts(home.box, other, tmp_path)
    assert_refused(deploy(box, next_release, workshop.trusted), 6, "SHA256:", "changed")


def test_an_unsigned_release(home: Home, next_release: Path, workshop: Workshop, tmp_path: Path) -> None:
    unsigned = copy_of(next_release, tmp_path)
    (unsigned / "release.json.sig").unlink()
    assert_refused(deploy(home.box, unsigned, workshop.trusted), 6, "not signed")


def test_a_release_signed_by_somebody_else(home: Home, next_release: Path, workshop: Workshop, tmp_path: Path) -> None:
    other = Workshop.open(tmp_path / "other")
    assert_refused(deploy(home.box, next_release, other.trusted), 6, "trusted")


def test_one_flipped_byte_in_any_file(home: Home, next_release: Path, workshop: Workshop, tmp_path: Path) -> None:
    names = sorted(path.name for path in next_release.iterdir())
    assert len(names) >= 3
    for name in names:
        size = (next_release / name).stat().st_size
        for place in (0, size // 2, size - 1):
            spoilt = copy_of(next_release, tmp_path / f"{name}-{place}")
            content = bytearray((spoilt / name).read_bytes())
            content[place] ^= 1
            (spoilt / name).write_bytes(content)
            assert_refused(deploy(home.box, spoilt, workshop.trusted), 6, "error: ")


def test_a_release_for_another_machine(home: Home, workshop: Workshop) -> None:
    other = workshop.release("1.1.1", target=NATIVE)
    assert_refused(deploy(home.box, other, workshop.trusted), 7, "x86_64", "aarch64")


def test_too_little_space(home: Home, next_release: Path, workshop: Workshop) -> None:
    home.box.run("dd if=/dev/zero of=/filler bs=1048576 count=50")  # of 64: the program itself needs some
    try:
        assert_refused(deploy(home.box, next_release, workshop.trusted), 7, "space")
    finally:
        home.box.run("rm /filler")


@pytest.mark.parametrize("member", ["../../evil", "/evil", "link/evil"])
def test_an_archive_member_that_escapes(
    member: str, home: Home, next_release: Path, workshop: Workshop, tmp_path: Path
) -> None:
    """Even when the release is signed by a trusted key."""
    evil = copy_of(next_release, tmp_path)
    (archive,) = evil.glob("*.tar.gz")
    add_member(archive, member)
    release = msgspec.json.decode((evil / "release.json").read_bytes(), type=Release)
    row = release.rows[ARM]
    content = archive.read_bytes()
    digest = sha256(content).hexdigest()
    name = payload_id(release.version, digest, release.run, release.health)
    payload = replace(row.payloads[0], id=name, sha256=digest, size_bytes=len(content))
    manifest = canonical(replace(release, rows={ARM: replace(row, payloads=(payload,))}))
    (evil / "release.json").write_bytes(manifest)
    (evil / "release.json.sig").write_bytes(load_key(workshop.key).sign(manifest))
    assert_refused(deploy(home.box, evil, workshop.trusted), 6, "would leave")
    assert not home.box.path("/evil").exists() and not home.path("evil").exists()


def copy_of(release: Path, folder: Path) -> Path:
    place = folder / release.name
    shutil.copytree(release, place)
    return place


def add_member(archive: Path, name: str) -> None:
    """Puts one more file at the end of a .tar.gz, behind a link that leads out where the name goes through one."""
    whole = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=whole, mode="w:gz") as new:
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
            top = member.name.split("/")[0]
        if name.startswith("link/"):
            link = tarfile.TarInfo(f"{top}/link")
            link.type, link.linkname = tarfile.SYMTYPE, "/"
            new.addfile(link)
            name = f"{top}/{name}"
        evil = tarfile.TarInfo(name)
        evil.size = 4
        new.addfile(evil, io.BytesIO(b"evil"))
    archive.write_bytes(whole.getvalue())
