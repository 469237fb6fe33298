"""One root listed in two ways (as a folder, by the box's own script) is one list, and what it has arrives whole."""

from __future__ import annotations

import hashlib
import posixpath
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from edgebuild.build.file_store import fetch_files, find_wanted, held_file
from edgebuild.build.root_source import FolderRoot
from edgebuild.build.sysroot_links import plan_import, relative_target
from edgebuild.deploy.collect import BoxRoot, parse_listing
from edgebuild.deploy.transport import ConnectionLost, Reply
from edgebuild.errors import BoxError
from edgebuild.model.rootfile import ImportWish, RootFile, RootSource
from edgebuild.workspace import Workspace
from tests.roots import write_root

TREE: dict[str, bytes | str] = {
    "usr/include/a b.h": b"blank",
    "usr/include/it's.h": b'quote "here"',
    "usr/include/-n.h": b"dash",
    "usr/include/$HOME.h": b"dollar",
    "usr/include/näher.h": b"umlaut",
    "usr/include/empty.h": b"",
    "usr/include/sys": "../../opt/sdk/current/include",
    "opt/sdk/current": "/opt/sdk/7.1",
    "opt/sdk/7.1/include/sdk.h": b"sdk",
    "lib": "usr/lib",
    "usr/lib/libz.so": "/lib/libz.so.1",
    "usr/lib/libz.so.1": b"z" * 70_000,
    "usr/lib/circle": "circle",
    "usr/lib/out": "../../../../etc/os-release",
    "etc/os-release": b"Acme",
    "etc/deep/x.pc": b"pc",
}
PLACES = ("usr/include", "lib", "opt/sdk/current/include", "usr/lib/circle", "etc/os-release", "usr/lib/out", "gone")


class LocalTransport:
    """Runs a box's commands here. cut_bytes: the connection dies after so much output. tools: all there are."""

    address = "root@box"

    def __init__(self, cut_bytes: int | None = None, tools: Path | None = None) -> None:
        self.cut_bytes = cut_bytes
        self.environment = {"PATH": str(tools)} if tools else None
        self.sent_bytes = 0

    def call(
        self,
        command: str,
        *,
        stdin: bytes | Iterable[bytes] | None = None,
        timeout_s: float = 60,
        sink: Callable[[bytes], object] | None = None,
    ) -> Reply:
        assert isinstance(stdin, bytes) and sink
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            env=self.environment,
            check=False,
        )
        whole = done.stdout
        if self.cut_bytes is not None and len(whole) > self.cut_bytes:
            sink(whole[: self.cut_bytes])
            raise ConnectionLost("root@box: connection lost")
        self.sent_bytes += len(whole)
        for start in range(0, len(whole), 1000):
            sink(whole[start : start + 1000])
        return Reply(done.returncode, "", done.stderr.decode())

    def close(self) -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = write_root(tmp_path / "root", TREE)
    (root / "usr/lib/libz.so.1").chmod(0o755)
    return root


def few_tools(folder: Path) -> Path:
    """The least that a box has to have."""
    folder.mkdir()
    for name in ("sh", "find", "sed", "xargs", "ls", "cat", "dd", "readlink"):
        program = shutil.which(name)
        assert program
        (folder / name).symlink_to(program)
    return folder


@pytest.fixture(params=["folder", "box", "box without gzip", "box without digests"])
def source(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> RootSource:
    if request.param == "folder":
        return FolderRoot(folder)
    if request.param == "box without digests":
        return BoxRoot(LocalTransport(tools=few_tools(tmp_path / "tools")), root=str(folder))
    return BoxRoot(LocalTransport(), root=str(folder), packed=request.param == "box")


def test_every_source_lists_the_same(source: RootSource, folder: Path) -> None:
    expected = {each.path: each for each in FolderRoot(folder).find(PLACES)}
    assert {each.path: each for each in source.find(PLACES)} == expected
    assert expected["usr/lib/libz.so.1"] == RootFile("usr/lib/libz.so.1", 70_000, executable=True)
    assert expected["opt/sdk/current"].link == "/opt/sdk/7.1", "on the way to what was asked for"
    assert {"opt/sdk/7.1/include/sdk.h", "usr/include/it's.h", "usr/lib/circle", "etc/os-release"} <= expected.keys()
    assert not any(path.startswith(("lib/", "opt/sdk/current/")) for path in expected), "where things really are"


def test_names_choose(source: RootSource) -> None:
    assert [each.path for each in source.find(["etc"], ["*.pc", "*.cmake"])] == ["etc/deep/x.pc"]


def test_every_source_sends_what_it_has(source: RootSource, ws: Workspace) -> None:
    files = [each for each in source.find(PLACES) if not each.link]
    wanted = find_wanted(source, files, ws=ws)
    digests = fetch_files(source, wanted, ws=ws, told=lambda *_: None).digests
    assert {each.path for each in files} == digests.keys()
    for path, digest in digests.items():
        content = TREE[path]
        assert isinstance(content, bytes) and held_file(digest, ws).read_bytes() == content, path


def test_a_cut_transfer_goes_on_where_it_stopped(folder: Path, ws: Workspace) -> None:
    cut = BoxRoot(LocalTransport(), root=str(folder), packed=False)
    files = [each for each in cut.find(["usr"]) if not each.link]
    wanted = find_wanted(cut, files, ws=ws)
    cut._transport = LocalTransport(cut_bytes=60_000)
    with pytest.raises(ConnectionLost) as caught:
        fetch_files(cut, wanted, ws=ws, told=lambda *_: None)
    assert "run it again" in caught.value.hint
    again = LocalTransport()
    rest = find_wanted(BoxRoot(again, root=str(folder)), files, ws=ws)
    assert 0 < len(rest.files) < len(wanted.files)
    fetch_files(BoxRoot(again, root=str(folder)), rest, ws=ws, told=lambda *_: None)
    assert find_wanted(BoxRoot(again, root=str(folder)), files, ws=ws).files == ()


def test_equal_contents_are_sent_once(tmp_path: Path, ws: Workspace) -> None:
    root = FolderRoot(write_root(tmp_path / "root", {"a": b"same", "b": b"same"}))
    assert len(find_wanted(root, root.find(["a", "b"]), ws=ws).files) == 1


class Liar(FolderRoot):
    """Sends other bytes than it has announced."""

    def __init__(self, folder: Path, sent: bytes) -> None:
        super().__init__(folder)
        self._sent = sent

    def send(self, paths: object, feed: Callable[[bytes], None]) -> None:
        feed(self._sent)


@pytest.mark.parametrize("sent", [b"other", b"shor", b"longer than it was"])
def test_what_changes_while_it_is_read_is_refused(sent: bytes, tmp_path: Path, ws: Workspace) -> None:
    root = Liar(write_root(tmp_path / "root", {"a": b"first"}), sent)
    wanted = find_wanted(root, root.find(["a"]), ws=ws)
    with pytest.raises(BoxError, match="changed while it was read"):
        fetch_files(root, wanted, ws=ws, told=lambda *_: None)
    assert not held_file(hashlib.sha256(b"first").hexdigest(), ws).exists()
    assert list((ws.cache / "work").iterdir()) == []


def test_a_box_that_answers_otherwise_is_told() -> None:
    class Router(LocalTransport):
        def call(self, command: str, **_: object) -> Reply:  # type: ignore[override]
            return Reply(1, "", "% Unknown command")

    with pytest.raises(BoxError, match=r"cannot be listed: % Unknown command"):
        BoxRoot(Router()).find(["usr"])


@pytest.mark.parametrize(
    "path", ["../../etc/cron.d/x", "usr/lib/../../../lib/libx.so.1", "/usr/lib/libx.so", "usr//lib/./x.so"]
)
def test_a_box_that_lists_paths_outside_its_root_reaches_nothing_outside_the_sysroot(path: str) -> None:
    found = plan_import(
        [RootFile(path, 1), RootFile("usr/lib/liby.so", link=f"../../../{path}")], ImportWish(), "aarch64"
    )
    for place, target in {**dict.fromkeys(found.files, ""), **found.links}.items():
        assert not place.startswith(("/", "..")) and "/../" not in place
        assert posixpath.normpath(
            posixpath.join("top", place, "..", relative_target(place, target or place))
        ).startswith("top/")


def test_listings_of_gnu_busybox_and_toybox_are_read() -> None:
    lines = [
        "-rw-r--r-- 1 0 0    1234 Nov 25 13:25 ./usr/include/a.h",
        "-rwxr-xr-x    1 0        0             77 Nov 25  2021 ./usr/lib/b c.so",
        "-rw-r--r-- 1 0 0 5 2021-11-25 13:25 ./usr/lib/c.so",
        "lrwxrwxrwx    1 0        0              9 Nov 25 13:25 ./usr/lib/d.so -> d.so.1",
        "drwxr-xr-x 2 0 0 4096 Nov 25 13:25 ./usr",
        "crw-rw-rw- 1 0 0 1, 3 Nov 25 13:25 ./dev/null",
        "-rw-r--r-- 1 0 0 1 Nov 25 13:25 ./usr/back\\slash",
        "ls: ./x: Permission denied",
    ]
    assert list(parse_listing(lines).values()) == [
        RootFile("usr/include/a.h", 1234),
        RootFile("usr/lib/b c.so", 77, executable=True),
        RootFile("usr/lib/c.so", 5),
        RootFile("usr/lib/d.so", link="d.so.1"),
    ]
