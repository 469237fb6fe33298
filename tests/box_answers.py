"""What the box program answers, refuses and leaves, on this machine: tests that e2e/test_box_program.py runs under
the shells of boxes. Not a unit test: a shell per line is CPU that adds up.
"""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebuild.deploy.program import program
from tests.local_box import TOP, Answer, LocalBox, LocalRelease, local_box, member, quick_tools

FIRST = LocalRelease("1.0-aa", links={"lib/link": "a file"})


@pytest.fixture
def shell() -> str:
    """tests/e2e repeats what is here under the shells of boxes."""
    return "sh"


@pytest.fixture
def box(shell: str, tmp_path: Path) -> Iterator[LocalBox]:
    with local_box(tmp_path / "box", shell, quick_tools(tmp_path)) as box:
        yield box


def owner(pid: int) -> str:
    """How a claim names a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return f"{pid}.{fields[19]}.{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"


def assert_refused(box: LocalBox, answer: Answer, code: int, *words: str) -> None:
    assert answer.code == code, answer
    assert all(word in answer.said for word in words), answer.said
    assert not any((box.home / "incoming").iterdir())
    assert not any((box.home / "releases").iterdir())


def test_probe_needs_nothing_on_the_box(tmp_path: Path) -> None:
    box = LocalBox(tmp_path / "box")
    process = box.begin("probe")  # of a program that does not lie there
    assert process.communicate()[0] == b"" and process.returncode != 0
    ended = subprocess.run(
        ["sh", "-s", "--", "probe", str(box.home)],
        input=program(),
        capture_output=True,
        env=box.environment,
        check=True,
    )
    values = dict(line.split("=", 1) for line in ended.stdout.decode().splitlines())
    assert values["machine"] == os.uname().machine
    assert values["kernel"] == os.uname().release
    assert int(values["home_free_kb"]) > 0
    assert values["service"] == "init"
    assert values["writable"] == "yes"
    assert not {"missing", "current", "busy"} & values.keys()
    assert ended.stderr == b""
    assert not box.home.exists()


def test_a_release_is_received_whole(box: LocalBox) -> None:
    assert box.receive(FIRST).succeed().values["outcome"] == "received"
    box.assert_whole(FIRST)
    assert (box.home / "releases" / FIRST.id / "tree" / "lib" / "link").readlink() == Path("a file")
    assert not any((box.home / "incoming").iterdir())
    assert box.call("probe").values["releases"].split() == [FIRST.id]


def test_what_is_there_is_not_unpacked_again_unless_it_is_damaged(box: LocalBox) -> None:
    box.receive(FIRST).succeed()
    assert box.receive(FIRST).succeed().values["outcome"] == "unchanged"
    (box.home / "releases" / FIRST.id / "tree" / "version").write_text("flipped\n")
    refused = box.call("activate", FIRST.id)
    assert (refused.code, "version" in refused.said) == (11, True), refused
    assert box.receive(FIRST).succeed().values["outcome"] == "received"
    box.assert_whole(FIRST)


def escaping(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=kind, target=target), b"evil\n" if kind == tarfile.REGTYPE else b""


@pytest.mark.parametrize(
    "release",
    [
        LocalRelease("1", extra=(escaping("../../evil"),)),
        LocalRelease("1", extra=(escaping(f"{TOP}/../../../evil"),)),
        LocalRelease("1", extra=(escaping("/evil"),)),
        LocalRelease("1", extra=(escaping(f"{TOP}/evil"),)),
        LocalRelease("1", extra=(escaping(f"{TOP}/evil/", tarfile.DIRTYPE),)),
        LocalRelease("1", extra=(escaping(f"{TOP}/out", tarfile.SYMTYPE, "/"), escaping(f"{TOP}/out/evil"))),
    ],
    ids=["up", "up inside", "absolute", "unannounced file", "unannounced folder", "through a link"],
)
def test_members_that_nobody_announced_are_refused_before_unpacking(box: LocalBox, release: LocalRelease) -> None:
    assert_refused(box, box.receive(release), 11, "evil", "other members")
    assert not list(box.root.rglob("evil"))


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc", "../../.."])
def test_a_link_that_leads_out_is_refused_though_announced(box: LocalBox, target: str) -> None:
    assert_refused(box, box.receive(LocalRelease("1", links={"lib/out": target})), 11, "lib/out")


def test_a_link_that_leads_out_by_way_of_another_is_refused(box: LocalBox) -> None:
    """Word by word lib/deep/../.. stays inside; but lib/deep is the tree itself."""
    assert_refused(box, box.receive(LocalRelease("1", links={"lib/deep": "..", "out": "lib/deep/../.."})), 11, "out")


@pytest.mark.parametrize(
    ("kind", "target"), [(tarfile.SYMTYPE, "lib/a file"), (tarfile.FIFOTYPE, ""), (tarfile.LNKTYPE, f"{TOP}/version")]
)
def test_a_file_has_to_be_a_file_with_its_content(box: LocalBox, kind: bytes, target: str) -> None:
    plain = LocalRelease("1", files={"other": b"blanks\n"})
    spoilt = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(plain.packed())) as old, tarfile.open(fileobj=spoilt, mode="w") as new:
        for each in old:
            if each.name == f"{TOP}/other":
                new.addfile(member(each.name, kind=kind, target=target))
            else:
                new.addfile(each, old.extractfile(each) if each.isreg() else None)
    release = LocalRelease("1", files=plain.files, archive=gzip.compress(spoilt.getvalue()))
    assert_refused(box, box.receive(release), 11)


def test_a_flipped_byte_and_a_member_that_came_twice_are_refused(box: LocalBox) -> None:
    packed = bytearray(FIRST.packed())
    packed[len(packed) // 2] ^= 1
    flipped = LocalRelease("1", archive=bytes(packed), facts={"ARCHIVE_SHA256": "0" * 64})
    assert_refused(box, box.receive(flipped), 11, "not what was announced")
    twice = LocalRelease("1", extra=((member(f"{TOP}/version"), b"1\n"),))
    assert_refused(box, box.receive(twice), 11, "twice")


def test_too_little_space_is_known_before_the_first_byte_and_before_unpacking(box: LocalBox) -> None:
    assert_refused(box, box.receive(FIRST, str(1 << 40)), 10, "kB")
    assert_refused(box, box.receive(LocalRelease("1", facts={"UNPACKED_KB": str(1 << 40)})), 10, "kB")


def test_a_stream_that_ends_early_leaves_nothing(box: LocalBox) -> None:
    for size in (0, 700, len(FIRST.stream()) // 2):
        assert_refused(box, box.call("receive", "1", stdin=FIRST.stream()[:size]), 1, "transfer")


@pytest.mark.parametrize(
    "words", [("receive", "../x"), ("receive", ".x"), ("activate", "a b"), ("fly",), ("activate",)]
)
def test_nonsense_is_refused(box: LocalBox, words: tuple[str, ...]) -> None:
    assert box.call(*words).code == 1


def test_there_has_to_be_a_release_and_a_service_manager(box: LocalBox) -> None:
    assert box.call("activate", "nothing").code == 14
    assert box.call("rollback").code == 14
    assert box.call("start").code == 14
    box.receive(FIRST).succeed()
    box.init.rmdir()
    answer = box.call("activate", FIRST.id)
    assert (answer.code, answer.values["outcome"], box.current()) == (15, "failed", "")


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("alive", True),
        ("dead", False),
        ("another of this number", False),
        ("before the reboot", False),
    ],
)
def test_a_lock_holds_as_long_as_its_owner_lives(box: LocalBox, name: str, holds: bool) -> None:
    mine = owner(os.getpid())
    pid, start, boot = mine.split(".")
    link = {
        "alive": mine,
        "dead": f"{2**22 - 1}.{start}.{boot}",
        "another of this number": f"{pid}.{int(start) - 1}.{boot}",
        "before the reboot": f"{pid}.{start}.00000000-0000-0000-0000-000000000000",
    }[name]
    (box.home / ".lock.7").symlink_to(link)
    impatient = program().replace(b"PATIENCE_S=10", b"PATIENCE_S=1")
    (box.home / "box.sh").write_bytes(impatient)
    assert box.call("probe").values.get("busy", "") == (mine if holds else "")
    answer = box.receive(FIRST)
    assert answer.code == (12 if holds else 0), answer
    locks = sorted(path.name for path in box.home.glob(".lock.*"))
    assert locks == ([".lock.7"] if holds else [".lock.8"])
