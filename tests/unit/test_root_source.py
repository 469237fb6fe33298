"""One root listed in three ways (as a folder, as an image's layers, by the box's own script) is one list."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from edgebuild.build.file_store import fetch_files, find_wanted, held_file
from edgebuild.build.root_image import image_layers
from edgebuild.build.root_source import FolderRoot, LayersRoot
from edgebuild.deploy.collect import BoxRoot, parse_listing
from edgebuild.deploy.transport import ConnectionLost, Reply
from edgebuild.errors import BoxError, VerificationError
from edgebuild.model.rootfile import RootFile, RootSource
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
    """Runs a box's commands here. cut_bytes: the connection dies after so much output."""

    address = "root@box"

    def __init__(self, cut_bytes: int | None = None) -> None:
        self.cut_bytes = cut_bytes
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
        done = subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, timeout=timeout_s, check=False)
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


@pytest.fixture(params=["folder", "layers", "box", "box without gzip"])
def source(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> RootSource:
    if request.param == "folder":
        return FolderRoot(folder)
    if request.param == "layers":
        packed = tmp_path / "root.tar"
        with tarfile.open(packed, "w") as archive:
            archive.add(folder, "./")
        return LayersRoot("image", [packed])
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


def layer(files: dict[str, bytes | str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


LOWER = layer({"usr/lib/a": b"old", "usr/lib/b": b"b", "opt/x/1": b"1", "opt/y": "x", "lib/real": b"r"})
UPPER = layer({"usr/lib/a": b"new", "usr/lib/.wh.b": b"", "opt/x/.wh..wh..opq": b"", "opt/x/2": b"2", "lib": "usr/lib"})


def docker_archive() -> bytes:
    manifest = [{"Config": "c.json", "Layers": ["1/layer.tar", "2/layer.tar"]}]
    return layer({"manifest.json": json.dumps(manifest).encode(), "1/layer.tar": LOWER, "2/layer.tar": UPPER})


def oci_archive() -> bytes:
    blobs: dict[str, bytes | str] = {}

    def blob(content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return f"sha256:{digest}"

    layers = [{"digest": blob(gzip.compress(LOWER))}, {"digest": blob(UPPER)}]
    ours = blob(json.dumps({"layers": layers}).encode())
    other = blob(json.dumps({"layers": []}).encode())
    entries = [
        {"digest": other, "platform": {"architecture": "amd64"}},
        {"digest": ours, "platform": {"architecture": "arm64"}},
    ]
    inner = blob(json.dumps({"manifests": entries}).encode())
    index = {"manifests": [{"digest": inner}]}
    return layer({"oci-layout": b"{}", "index.json": json.dumps(index).encode(), **blobs})


@pytest.mark.parametrize("packed", [docker_archive(), oci_archive(), gzip.compress(docker_archive())])
def test_an_image_is_its_layers_one_over_the_other(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(packed)
    root = LayersRoot("image", image_layers(tmp_path / "image.tar", "arm64", tmp_path))
    found = {each.path for each in root.find(["usr", "opt", "lib"])}
    assert found == {"usr/lib/a", "opt/x/2", "opt/y", "lib"}
    read: list[bytes] = []
    root.send(["usr/lib/a", "opt/x/2"], read.append)
    assert read == [b"new", b"2"]


@pytest.mark.parametrize("content", [b"", b"no tar", docker_archive()[:700], layer({"manifest.json": b"[{}]"})])
def test_what_is_no_image_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(content)
    with pytest.raises(VerificationError):
        LayersRoot("image", image_layers(tmp_path / "image.tar", "", tmp_path))
