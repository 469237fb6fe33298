"""What is unpacked stays where it belongs, with the links and x-bits it came with."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from edgebuild.errors import VerificationError
from edgebuild.unpack import compile_globs, make_merged_usr, read_deb_control, unpack_deb, unpack_tar, unpack_wheel
from tests.fuzz.hostile import member as raw_member
from tests.fuzz.hostile import raw_size
from tests.fuzz.seeds import PACKERS

FOLDER, LINK, HARD_LINK, DEVICE = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE


def member(name: str, content: bytes = b"", *, mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    return info, content


def raw(name: bytes, content: bytes = b"", kind: bytes = b"0") -> bytes:
    """A member and nothing behind it."""
    return raw_member(name.decode(), content, kind=kind)


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def tar_bytes(*members: tuple[tarfile.TarInfo, bytes], packing: str = "xz") -> bytes:
    buffer = io.BytesIO()
    inner = "" if packing == "zst" else packing
    with tarfile.open(fileobj=buffer, mode=f"w:{inner}") as archive:  # type: ignore[call-overload]
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return zstandard.compress(buffer.getvalue()) if packing == "zst" else buffer.getvalue()


def make_deb(
    folder: Path, *members: tuple[tarfile.TarInfo, bytes], data_name: str = "data.tar.xz", control: str = ""
) -> Path:
    """As dpkg-deb would: version, control, data, each behind an ar header and padded to even length."""
    fields = [member("./control", control.encode())] if control else []
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": tar_bytes(*fields),
        data_name: tar_bytes(*members, packing=data_name.rpartition(".")[2]),
    }
    content = b"!<arch>\n"
    for name, part in parts.items():
        content += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(part):<10}`\n".encode()
        content += part + b"\n" * (len(part) % 2)
    deb = folder / "acme_1_arm64.deb"
    deb.write_bytes(content)
    return deb


def make_wheel(folder: Path, files: dict[str, bytes], *, executable: tuple[str, ...] = ()) -> Path:
    wheel = folder / "acme-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | (0o755 if name in executable else 0o644)) << 16
            archive.writestr(info, content)
    return wheel


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    place.mkdir()
    make_merged_usr(place)
    return place


def test_a_package_of_before_the_merge_lands_below_usr_and_the_links_stay(tmp_path: Path, root: Path) -> None:
    deb = make_deb(
        tmp_path,
        special("./lib", FOLDER),
        special("./lib/aarch64-linux-gnu", FOLDER),
        member("./lib/aarch64-linux-gnu/libc.so.6", b"c"),
        member("./usr/lib/aarch64-linux-gnu/libz.so.1", b"z"),
    )
    unpack_deb(deb, root)
    assert (root / "lib").readlink() == Path("usr/lib")
    assert names_in(root / "usr/lib/aarch64-linux-gnu") == ["libc.so.6", "libz.so.1"]


def test_a_folder_that_is_there_as_a_link_stays_a_link(tmp_path: Path, root: Path) -> None:
    deb = make_deb(
        tmp_path,
        special("./usr/share/new", FOLDER),
        special("./usr/share/old", LINK, "new"),
        special("./usr/share/old", FOLDER),
        member("./usr/share/old/file", b"f"),
    )
    unpack_deb(deb, root)
    assert (root / "usr/share/old").is_symlink()
    assert (root / "usr/share/new/file").read_bytes() == b"f"


def test_absolute_links_become_relative_and_lead_inside(tmp_path: Path, root: Path) -> None:
    deb = make_deb(
        tmp_path,
        member("./lib/a/libm.so.6", b"m"),
        special("./usr/lib/a/libm.so", LINK, "/lib/a/libm.so.6"),
    )
    unpack_deb(deb, root)
    link = root / "usr/lib/a/libm.so"
    assert link.readlink() == Path("../../../lib/a/libm.so.6")
    assert link.read_bytes() == b"m"


def test_x_bits_stay_and_set_id_bits_and_devices_do_not(tmp_path: Path, root: Path) -> None:
    deb = make_deb(
        tmp_path,
        member("./usr/bin/su", mode=0o4755),
        member("./etc/shadow", mode=0o640),
        special("./dev/null", DEVICE),
    )
    unpack_deb(deb, root)
    assert stat.S_IMODE((root / "usr/bin/su").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "etc/shadow").stat().st_mode) == 0o644
    assert not (root / "dev/null").exists()


def test_what_matches_drop_is_left_out_with_its_hard_links(tmp_path: Path, root: Path) -> None:
    deb = make_deb(
        tmp_path,
        member("./usr/share/doc/acme/copyright", b"c"),
        member("./usr/bin/acme", b"a"),
        special("./usr/bin/acme2", HARD_LINK, "./usr/bin/acme"),
        special("./usr/bin/terms", HARD_LINK, "./usr/share/doc/acme/copyright"),
    )
    unpack_deb(deb, root, drop=compile_globs(("usr/share/doc/*", "usr/lib/*/lib[!c]*.a")))
    assert names_in(root / "usr/bin") == ["acme", "acme2"]
    assert (root / "usr/bin/acme2").read_bytes() == b"a"
    assert not (root / "usr/share").exists()


@pytest.mark.parametrize(
    "members",
    [
        [member("../evil", b"!")],
        [member("./usr/../../evil", b"!")],
        [special("./usr/out", LINK, "../../..")],
        [special("./usr/out", LINK, "../../../tmp")],
    ],
    ids=["parent", "parent within", "link to above", "link to beside"],
)
def test_a_member_that_would_leave_the_root_is_refused(
    tmp_path: Path, root: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    with pytest.raises(VerificationError, match=r"acme_1_arm64\.deb: member .* would leave the folder"):
        unpack_deb(make_deb(tmp_path, *members), root)
    assert not (tmp_path / "evil").exists()


def test_a_link_that_was_there_before_leads_nowhere_outside(tmp_path: Path, root: Path) -> None:
    (root / "usr/out").symlink_to(tmp_path)
    with pytest.raises(VerificationError, match="would leave the folder"):
        unpack_deb(make_deb(tmp_path, member("./usr/out/evil", b"!")), root)
    assert not (tmp_path / "evil").exists()


def test_a_truncated_package_is_refused(tmp_path: Path, root: Path) -> None:
    deb = make_deb(tmp_path, member("./usr/bin/acme", os.urandom(100_000)))
    deb.write_bytes(deb.read_bytes()[:-50_000])
    with pytest.raises(VerificationError, match=r"acme_1_arm64\.deb: damaged archive"):
        unpack_deb(deb, root)


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst"])
def test_a_package_may_be_packed_in_any_way_that_dpkg_reads(tmp_path: Path, root: Path, packing: str) -> None:
    unpack_deb(make_deb(tmp_path, member("./usr/bin/acme", b"a" * 10_000), data_name=f"data.tar.{packing}"), root)
    assert (root / "usr/bin/acme").read_bytes() == b"a" * 10_000


def test_a_wheel_merges_its_data_and_makes_its_links(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        {
            "acme/zig": b"z",
            "acme-1.data/data/bin/llvm-ar": b"a",
            "acme-1.dist-info/RECORD": b"r",
            "acme-1.dist-info/symlinks.txt": b"acme-1.data/data/bin/ar,llvm-ar,0\n",
        },
        executable=("acme-1.data/data/bin/llvm-ar",),
    )
    root = tmp_path / "out"
    root.mkdir()
    unpack_wheel(wheel, root)
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()) == [
        "acme/zig",
        "bin/ar",
        "bin/llvm-ar",
    ]
    assert (root / "bin/ar").readlink() == Path("llvm-ar")
    assert os.access(root / "bin/ar", os.X_OK)
    assert not os.access(root / "acme/zig", os.X_OK)


@pytest.mark.parametrize(
    "files",
    [
        {"../evil": b"!"},
        {"/evil": b"!"},
        {"acme-1.dist-info/symlinks.txt": b"bin/out,../../evil,0\n"},
        {"acme-1.dist-info/symlinks.txt": b"../evil,acme,0\n"},
    ],
    ids=["parent", "absolute", "link to above", "link above"],
)
def test_a_wheel_that_would_leave_its_folder_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    root = tmp_path / "out"
    root.mkdir()
    with pytest.raises(VerificationError, match="would leave the folder"):
        unpack_wheel(make_wheel(tmp_path, files), root)
    assert not (tmp_path / "evil").exists()


def test_a_tarball_loses_its_first_folder_and_keeps_its_hard_links(tmp_path: Path) -> None:
    tarball = tmp_path / "acme.tar.gz"
    tarball.write_bytes(
        tar_bytes(
            member("acme-1/bin/acme", b"a", mode=0o755),
            special("acme-1/bin/acme2", HARD_LINK, "acme-1/bin/acme"),
            special("acme-1/lib", FOLDER),
            packing="gz",
        )
    )
    root = tmp_path / "out"
    root.mkdir()
    unpack_tar(tarball, root, strip=1)
    assert (root / "bin/acme2").read_bytes() == b"a"
    assert os.access(root / "bin/acme", os.X_OK)
    assert (root / "lib").is_dir()


def test_a_package_tells_its_control_fields(tmp_path: Path) -> None:
    assert read_deb_control(make_deb(tmp_path, control="Package: acme\n")) == "Package: acme\n"
    with pytest.raises(VerificationError, match="no control file"):
        read_deb_control(make_deb(tmp_path))
    (tmp_path / "cut.deb").write_bytes(make_deb(tmp_path, control="Package: acme\n").read_bytes()[:100])
    with pytest.raises(VerificationError, match="damaged"):
        read_deb_control(tmp_path / "cut.deb")


# ---- Hostile archives ----


def tar_of(tmp_path: Path, content: bytes, packing: str = "") -> Path:
    tarball = tmp_path / "x.tar"
    tarball.write_bytes(PACKERS[packing](content))
    return tarball


@pytest.mark.parametrize(
    "content",
    [
        raw_size("x", b"\x80" + (2**63).to_bytes(11, "big")),
        raw_size("x", b"\xff" * 12),
        raw_size("x", b"777777777777"),
        raw_size("x", b"-1"),
        raw_size("x", b"", kind=b"S"),
        raw_size("x", b"77777777", kind=b"L"),
        raw(b"h", b"31 size=-999999999999999999999\n", b"x") + raw(b"x"),
        raw(b"h", b"28 size=9223372036854775808\n", b"x") + raw(b"x"),
        raw(b"h", b"99 path=x\n", b"x") + raw(b"x"),
        raw(b"h", b"25 GNU.sparse.major=1.0\n\n", b"x") + raw(b"x"),
        raw(b"x", b"content")[:-512],
        raw(b"x")[:300],
        raw(b"x") + b"\1" * 512,
        raw(b"d/" * 200 + b"x\0", b"", b"0"),
    ],
    ids=lambda content: "",
)
def test_a_header_that_lies_ends_with_a_message(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match=r"x\.tar: damaged archive"):
        unpack_tar(tar_of(tmp_path, content), tmp_path / "out")


def test_a_damaged_header_in_the_midst_is_not_the_end(tmp_path: Path) -> None:
    """The standard library's reader ends there without a word, and an audit would pass the half."""
    content = bytearray(tar_bytes(member("a", b"a"), member("b", b"b"), packing=""))
    content[1024 + 100] ^= 1
    with pytest.raises(VerificationError, match="checksum"):
        unpack_tar(tar_of(tmp_path, bytes(content)), tmp_path / "out")


@pytest.mark.parametrize("packing", ["gz", "xz", "bz2", "zst"])
def test_an_archive_made_to_fill_the_disk_is_refused_before_it_does(
    packing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebuild.packed._FLOOR_BYTES", 1 << 20)
    monkeypatch.setattr("edgebuild.packed._MAX_RATIO", 20)
    content = tar_bytes(member("zeros", bytes(32 << 20)), packing="")
    with pytest.raises(VerificationError, match=r"x\.tar: unpacks to more than . MiB"):
        unpack_tar(tar_of(tmp_path, content, packing), tmp_path / "out")
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) < 9 << 20


def test_a_wheel_made_to_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebuild.packed._FLOOR_BYTES", 1 << 20)
    wheel = tmp_path / "x.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(8 << 20))
    with pytest.raises(VerificationError, match=r"x\.whl: unpacks to more than"):
        unpack_wheel(wheel, tmp_path / "out")


def test_more_members_than_anybody_packs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebuild.packed._FLOOR_MEMBERS", 10)
    with pytest.raises(VerificationError, match=r"more than \d+ members"):
        unpack_tar(tar_of(tmp_path, raw(b"f") * 2000, "gz"), tmp_path / "out")


def test_what_packs_well_without_being_hostile_is_unpacked(tmp_path: Path) -> None:
    tarball = tar_of(tmp_path, tar_bytes(member("zeros", bytes(8 << 20)), packing=""), "xz")
    assert tarball.stat().st_size < 8192
    unpack_tar(tarball, tmp_path / "out")
    assert (tmp_path / "out/zeros").stat().st_size == 8 << 20


@pytest.mark.parametrize("head", [b"\x5d\0\0\0\x40" + b"\xff" * 8, b"\x28\xb5\x2f\xfd\x00\xb8"], ids=["lzma", "zstd"])
def test_a_decoder_takes_no_more_memory_than_the_usual_ones(head: bytes, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match=r"[Mm]emory"):
        unpack_tar(tar_of(tmp_path, head + bytes(200)), tmp_path / "out")


def test_two_different_files_of_one_name_in_a_wheel_are_refused(tmp_path: Path) -> None:
    for second, refused in ((b"a", False), (b"b", True)):
        wheel = tmp_path / "x.whl"
        with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("m/x.so", b"a")
            archive.writestr("m/x.so", second)
        with pytest.raises(VerificationError, match="two different files") if refused else contextlib.nullcontext():
            unpack_wheel(wheel, tmp_path / "out")


def test_links_that_lead_from_one_to_the_next_without_end_are_refused(tmp_path: Path) -> None:
    links = [special(f"l{number}", LINK, f"l{number + 1}") for number in range(1500)]
    content = tar_bytes(*links, member("l0/x", b"x"), packing="")
    with pytest.raises(VerificationError, match=r"without end|symbolic links"):
        unpack_tar(tar_of(tmp_path, content), tmp_path / "out")


def test_an_absolute_link_does_not_lead_out_by_its_dots(tmp_path: Path) -> None:
    unpack_tar(tar_of(tmp_path, tar_bytes(special("a/l", LINK, "/../../etc"), packing="")), tmp_path / "out")
    assert (tmp_path / "out/a/l").readlink() == Path("../etc")


def test_a_member_without_a_name_is_damage(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"name": b"x"})
    wheel.write_bytes(wheel.read_bytes().replace(b"name", b"\0ame"))
    with pytest.raises(VerificationError, match="a member without a name"):
        unpack_wheel(wheel, tmp_path / "out")
