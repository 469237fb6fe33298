"""A download counts only whole and with the locked sha256; anything else leaves the cache empty."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from edgebuild import fetch as fetch_module
from edgebuild.errors import NotAvailable, VerificationError
from edgebuild.fetch import cached_path, fetch, fetch_all, pypi_download, pypi_files
from edgebuild.model.recipe import Download
from edgebuild.workspace import Workspace
from tests.web import WebServer

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, web: WebServer) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", web.url("/simple"))
    monkeypatch.setenv("PIP_CERT", "none")
    fetch_module.package_index.cache_clear()


def download_of(web: WebServer, content: bytes = CONTENT, **changes: str) -> Download:
    fields = {"file": "a.bin", "sha256": hashlib.sha256(content).hexdigest(), "url": web.url("/a.bin"), **changes}
    return Download(**fields)


def files_below(folder: Path) -> list[str]:
    """Lock files apart: they hold nothing."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_the_file_comes_once_and_stays(web: WebServer, ws: Workspace) -> None:
    web.files["/a.bin"] = CONTENT
    first, second = fetch(download_of(web), ws=ws), fetch(download_of(web), ws=ws)
    assert first == second == cached_path(download_of(web), ws)
    assert first.read_bytes() == CONTENT
    assert len(web.asked) == 1


def test_a_broken_connection_goes_on_where_it_stopped(web: WebServer, ws: Workspace) -> None:
    web.files["/a.bin"] = CONTENT
    web.cuts["/a.bin"] = 4000
    assert fetch(download_of(web), ws=ws).read_bytes() == CONTENT
    assert [asked for _, asked in web.asked] == ["", "bytes=4000-", "bytes=8000-"]


def test_a_download_that_stays_truncated_is_not_available(web: WebServer, ws: Workspace) -> None:
    web.files["/a.bin"] = CONTENT
    web.cuts["/a.bin"] = 100
    with pytest.raises(NotAvailable, match=r"a\.bin: could not be fetched: the connection ended after 300 of 10240"):
        fetch(download_of(web), ws=ws)
    assert files_below(ws.cache) == []


def test_other_bytes_are_refused_and_not_kept(web: WebServer, ws: Workspace) -> None:
    web.files["/a.bin"] = CONTENT[:-1] + b"!"
    with pytest.raises(VerificationError, match=r"a\.bin: sha256 is [0-9a-f]{64}, but the lock says [0-9a-f]{64}"):
        fetch(download_of(web), ws=ws)
    assert files_below(ws.cache) == []


def test_a_file_that_is_gone_says_so_at_once(web: WebServer, ws: Workspace) -> None:
    with pytest.raises(NotAvailable, match=r"a\.bin: gone from its source \(HTTP 404\)"):
        fetch(download_of(web), ws=ws)
    assert len(web.asked) == 1


def test_a_server_that_is_not_there_is_not_available(ws: Workspace, web: WebServer) -> None:
    nobody = download_of(web, url="http://127.0.0.1:1/a.bin")
    with pytest.raises(NotAvailable, match=r"could not be fetched: .*refused"):
        fetch(nobody, ws=ws)


@pytest.mark.parametrize("url", ["no address", "http://[::1"])
def test_what_is_no_address_is_told(url: str, web: WebServer, ws: Workspace) -> None:
    with pytest.raises(NotAvailable, match=r"a\.bin: cannot be fetched from") as told:
        fetch(download_of(web, url=url), ws=ws)
    assert url in told.value.message and "https://HOST/PATH" in told.value.hint


def test_offline_names_everything_that_is_missing_and_asks_nobody(web: WebServer, ws: Workspace) -> None:
    web.files["/a.bin"] = CONTENT
    fetch(download_of(web), ws=ws)
    web.asked.clear()
    others = [download_of(web, content=name.encode(), file=name) for name in ("b.bin", "c.bin")]
    with pytest.raises(NotAvailable, match=r"2 files are not in the cache.*: b\.bin, c\.bin"):
        fetch_all([download_of(web), *others], ws=replace(ws, offline=True))
    assert web.asked == []


def test_offline_serves_what_is_there(web: WebServer, ws: Workspace) -> None:
    web.files["/a.bin"] = CONTENT
    fetch(download_of(web), ws=ws)
    assert fetch(download_of(web), ws=replace(ws, offline=True)).read_bytes() == CONTENT


def test_several_come_in_the_order_they_were_asked_for(web: WebServer, ws: Workspace) -> None:
    names = [f"{index}.bin" for index in range(9)]
    web.files |= {f"/{name}": name.encode() * 1000 for name in names}
    wanted = [download_of(web, web.files[f"/{name}"], file=name, url=web.url(f"/{name}")) for name in names]
    assert [path.read_bytes()[:5].decode() for path in fetch_all(wanted, ws=ws)] == names


def test_one_that_fails_ends_the_others_and_is_the_one_reported(web: WebServer, ws: Workspace) -> None:
    web.files["/a.bin"] = CONTENT
    others = [download_of(web, content=b"%d" % index, file="b.bin", url=web.url("/b.bin")) for index in range(500)]
    with pytest.raises(NotAvailable, match=r"b\.bin: gone from its source"):
        fetch_all([*others, download_of(web)], ws=ws)
    assert len(web.asked) < 500
    assert files_below(ws.cache) == []


def test_several_share_one_bar(web: WebServer, ws: Workspace) -> None:
    web.files["/a.bin"] = CONTENT
    other = CONTENT[::-1]
    web.files["/b.bin"] = other
    seen: list[tuple[int, int, str]] = []

    class Bar:
        def progress(self, done: int, total: int, unit: str = "") -> None:
            seen.append((done, total, unit))

    fetch_all([download_of(web), download_of(web, other, file="b.bin", url=web.url("/b.bin"))], ws=ws, step=Bar())
    assert seen[-1] == (2 * len(CONTENT), 2 * len(CONTENT), "B")


def test_a_package_comes_through_the_index_that_pip_uses(web: WebServer, ws: Workspace) -> None:
    web.add_package("acme", "acme-1-py3-none-any.whl", CONTENT)
    download = pypi_download("acme", "acme-1-py3-none-any.whl")
    assert download.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert fetch(download, ws=ws).read_bytes() == CONTENT


def test_a_file_that_the_index_lacks_is_not_available(web: WebServer, ws: Workspace) -> None:
    web.add_package("acme", "acme-1-py3-none-any.whl", CONTENT)
    wanted = Download(file="acme-2-py3-none-any.whl", sha256="0" * 64, pypi="acme")
    with pytest.raises(NotAvailable, match=r"acme-2-py3-none-any\.whl: the Python package index has no such file"):
        fetch(wanted, ws=ws)


def test_an_index_that_does_not_know_a_project_is_not_available() -> None:
    with pytest.raises(NotAvailable, match="nobody: the Python package index did not answer"):
        pypi_files("nobody")
