"""What an archive would do on a box is known before it is sent: members that escape, hide or surprise are refused."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from edgebuild.errors import VerificationError
from edgebuild.package.contents import is_plain_name, read_tarball
from edgebuild.package.release import canonical, open_release
from tests.releases import GOOD, Member, folder, link, member, release_around, sign_manifest, signing_key, trusting
from tests.releases import write_members as write

KEY = signing_key()
BIN, DEEP = folder("beat/bin"), folder("beat/a")

ESCAPES: dict[str, tuple[tuple[Member, ...], str]] = {
    "parent": ((member("beat/../../evil", b"!"),), "'beat/../../evil' would leave the folder"),
    "parent at the start": ((member("../evil", b"!"),), "'../evil' would leave the folder"),
    "parent at the end": ((folder("beat/.."),), "'beat/..' would leave the folder"),
    "absolute": ((member("/etc/evil", b"!"),), "'/etc/evil' would leave the folder"),
    "absolute link": (
        (link("beat/passwd", "/etc/passwd"),),
        "'beat/passwd' links to '/etc/passwd', which would leave",
    ),
    "link to above": ((link("beat/up", "../.."),), "links to '../..', which would leave"),
    "link to beside": ((link("beat/up", "../beat2/x"),), "links to '../beat2/x', which would leave"),
    "link through a link": (
        (DEEP, link("beat/a/here", "."), link("beat/out", "a/here/../../x")),
        "'beat/out' links to 'a/here/../../x', which would leave",
    ),
    "links in a circle": ((link("beat/a", "b"), link("beat/b", "a")), "links to 'b', which would leave"),
    "written through a link": (
        (link("beat/lib", "bin"), member("beat/lib/evil", b"!")),
        "'beat/lib/evil' lies behind 'lib', which is a link",
    ),
    "written through a link that comes later": (
        (member("beat/lib/evil", b"!"), link("beat/lib", "bin")),
        "'beat/lib/evil' lies behind 'lib', which is a link",
    ),
    "behind a file": ((member("beat/x", b"!"), member("beat/x/y", b"!")), "lies behind 'x', which is a file"),
    "twice": ((member("beat/x", b"1"), member("beat/x", b"2")), "'beat/x' is there twice"),
    "link, then a file in its place": ((link("beat/x", "bin"), member("beat/x", b"2")), "'beat/x' is there twice"),
    "folder, then a link in its place": ((DEEP, link("beat/a", "bin")), "'beat/a' is there twice"),
    "hard link": ((member("beat/x", kind=tarfile.LNKTYPE, link="beat/bin/beat"),), "'beat/x' is a hard link"),
    "hard link out": ((member("beat/x", kind=tarfile.LNKTYPE, link="/etc/shadow"),), "'beat/x' is a hard link"),
    "device": ((member("beat/mem", kind=tarfile.CHRTYPE),), "'beat/mem' is a device"),
    "disk": ((member("beat/sda", kind=tarfile.BLKTYPE),), "'beat/sda' is a device"),
    "pipe": ((member("beat/pipe", kind=tarfile.FIFOTYPE),), "'beat/pipe' is a pipe"),
    "unknown kind": ((member("beat/x", kind=b"Z"),), "'beat/x' is of type b'Z'"),
    "set-uid": ((member("beat/su", b"!", mode=0o4755),), "'beat/su' has mode 4755"),
    "line end in a name": ((member("beat/a\nb", b"!"),), "has a name that not every box can write down"),
    "tab in a name": ((member("beat/a\tb", b"!"),), "has a name that not every box can write down"),
    "backslash in a name": ((member("beat/a\\b", b"!"),), "has a name that not every box can write down"),
    "not UTF-8": ((member("beat/\udcff", b"!"),), "has a name that not every box can write down"),
    "dot in a name": ((member("beat/./x", b"!"),), "has a name that not every box can write down"),
    "empty part": ((member("beat//x", b"!"),), "has a name that not every box can write down"),
    "line end in a link": ((link("beat/x", "bin\nbin"),), "links to a name that not every box can write down"),
    "empty link": ((link("beat/x", ""),), "links to a name that not every box can write down"),
    "second top": ((member("other/x", b"!"),), "holds 'beat', 'other' at its top instead of one folder"),
}


@pytest.mark.parametrize(("members", "message"), ESCAPES.values(), ids=ESCAPES)
def test_a_member_that_escapes_is_refused_by_name_though_it_is_signed(
    members: tuple[Member, ...], message: str, tmp_path: Path
) -> None:
    place = tmp_path / "release"
    archive = write(place / "beat.tar.gz", folder("beat"), BIN, *members)
    sign_manifest(place, canonical(release_around(archive)), KEY)
    with pytest.raises(VerificationError, match=rf"^beat\.tar\.gz: .*{re.escape(message)}"):
        open_release(place, trusting(tmp_path / "trusted_keys", KEY))


def test_links_that_stay_inside_are_listed_as_they_are(tmp_path: Path) -> None:
    members = (*GOOD, link("beat/bin/libx.so", "../lib/libx.so"), link("beat/lib/self", ".."), link("beat/gone", "x/y"))
    contents = read_tarball(write(tmp_path / "a.tar.gz", *members))
    assert {entry.path: entry.link for entry in contents.files if entry.link} == {
        "bin/libx.so": "../lib/libx.so",
        "gone": "x/y",
        "lib/libx.so": "libx.so.1",
        "lib/self": "..",
    }
    assert (contents.top, contents.unpacked_bytes) == ("beat", 3020)


@pytest.mark.parametrize("top", [member("beat", b"!"), link("beat", "/etc")])
def test_a_top_that_is_no_folder_is_refused(top: Member, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="at its top instead of one folder"):
        read_tarball(write(tmp_path / "a.tar.gz", top))


def test_an_empty_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="holds nothing at its top"):
        read_tarball(write(tmp_path / "a.tar.gz"))


def test_an_extended_header_is_refused_because_boxes_would_read_another_name(tmp_path: Path) -> None:
    """busybox tar skips pax headers: it would unpack the file under its short name."""
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info, _ = member("beat/x")
        info.pax_headers = {"path": "beat/y"}
        archive.addfile(info)
    with pytest.raises(VerificationError, match="'beat/y' has an extended header"):
        read_tarball(tmp_path / "a.tar.gz")


def test_nothing_hides_behind_the_end(tmp_path: Path) -> None:
    hidden = gzip.decompress(write(tmp_path / "hidden.tar.gz", member("beat/evil", b"!")).read_bytes())
    with pytest.raises(VerificationError, match="there is something behind its end"):
        read_tarball(write(tmp_path / "a.tar.gz", *GOOD, tail=hidden))


@pytest.mark.parametrize("number", range(len(GOOD)))
def test_a_header_that_cannot_be_read_is_not_the_end(number: int, tmp_path: Path) -> None:
    raw = bytearray(gzip.decompress(write(tmp_path / "a.tar.gz", *GOOD).read_bytes()))
    with tarfile.open(fileobj=io.BytesIO(bytes(raw))) as archive:
        raw[archive.getmembers()[number].offset] ^= 1
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(bytes(raw)))
    with pytest.raises(VerificationError, match="damaged archive"):
        read_tarball(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_size_below_zero_is_called_damage(kind: bytes, tmp_path: Path) -> None:
    """Python's own reader goes round in circles over it (CVE-2025-8194), or reads all there is into memory."""
    info = tarfile.TarInfo("beat/x")
    info.size, info.type = -512, kind
    raw = info.tobuf(tarfile.GNU_FORMAT) + bytes(4096)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(raw))
    with pytest.raises(
        VerificationError, match=r"damaged archive \((member 'beat/x' has 0|a header of -512 bytes|invalid offset)"
    ):
        read_tarball(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("cut", [1, 9, 40, 200])
def test_a_truncated_archive_is_called_damaged(cut: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar.gz", *GOOD)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(VerificationError, match=r"a\.tar\.gz: damaged archive"):
        read_tarball(path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x1f\x8b" + b"\0" * 50, gzip.compress(b"garbage" * 500)])
def test_what_is_no_archive_is_called_damaged(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(VerificationError, match=r"a\.tar\.gz: "):
        read_tarball(tmp_path / "a.tar.gz")


def test_memory_does_not_grow_with_a_member_or_with_a_name(tmp_path: Path) -> None:
    size_bytes = 16 << 20
    large = write(tmp_path / "large.tar.gz", folder("beat"), member("beat/zeros", bytes(size_bytes)))
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, size_bytes
    raw = info.tobuf(tarfile.GNU_FORMAT) + b"n" * size_bytes
    (tmp_path / "name.tar.gz").write_bytes(gzip.compress(raw, 1))
    tracemalloc.start()
    assert read_tarball(large).unpacked_bytes == size_bytes
    with pytest.raises(VerificationError, match=r"name\.tar\.gz: damaged archive \(a header of 16777216 bytes"):
        read_tarball(tmp_path / "name.tar.gz")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 << 20


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("beat-1.0+2-generic-arm64.tar.gz", True),
        ("a", True),
        ("", False),
        (".", False),
        ("..", False),
        (".a", False),
        ("-a", False),
        ("a/b", False),
        ("a b", False),
        ("a\n", False),
        ("$(a)", False),
        ("a'b", False),
    ],
)
def test_a_plain_name_is_plain_to_any_shell(name: str, plain: bool) -> None:
    assert is_plain_name(name) is plain
