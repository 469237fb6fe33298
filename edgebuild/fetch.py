"""Verified downloads: whatever the place, a file counts only with the sha256 that a lock names."""

from __future__ import annotations

import concurrent.futures
import functools
import hashlib
import html.parser
import http.client
import os
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import certifi

from edgebuild.digest import sha256_file
from edgebuild.errors import NotAvailable, VerificationError
from edgebuild.mirror import debian_mirror
from edgebuild.model.recipe import Download
from edgebuild.workspace import Workspace

_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 60
_ATTEMPTS = 3
_PARALLEL = 4  # a mirror answers small files one round trip each


def fetch(download: Download, *, ws: Workspace, step: Progress | None = None) -> Path:
    """The file in the cache, fetched if it is not there yet. Raises NotAvailable or VerificationError."""
    place = cached_path(download, ws)
    if place.is_file():
        return place
    if ws.offline:
        msg = f"{download.file}: not in the cache, and --offline forbids fetching it"
        raise NotAvailable(msg, f"run once without --offline, or copy it to {place}.")
    with ws.lock(f"download-{download.sha256[:16]}"), ws.scratch("download") as scratch:
        if place.is_file():
            return place
        part = scratch / download.file
        _transfer(_locate(download), part, download, step)
        verify(part, download)
        place.parent.mkdir(parents=True, exist_ok=True)
        part.replace(place)
    return place


def fetch_all(downloads: Iterable[Download], *, ws: Workspace, step: Progress | None = None) -> list[Path]:
    """All of them, in order. Offline, everything that is missing is named at once."""
    downloads = list(downloads)
    missing = [download.file for download in downloads if not cached_path(download, ws).is_file()]
    if ws.offline and missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        msg = f"{len(missing)} files are not in the cache, and --offline forbids fetching them: {shown}"
        raise NotAvailable(msg, "run once without --offline.")
    bar = _Bar(step, {download.sha256: download.size_bytes for download in downloads if download.file in missing})
    with concurrent.futures.ThreadPoolExecutor(_PARALLEL) as pool:
        jobs = [pool.submit(fetch, download, ws=ws, step=_Share(bar, download)) for download in downloads]
        try:
            return [job.result() for job in jobs]
        except BaseException:
            bar.stopped = True
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class Progress(Protocol):
    """What a transfer reports to; a Step is one."""

    def progress(self, done: int, total: int, unit: str = "") -> None: ...


class _Stopped(Exception):
    """Ends the transfers that another one's failure, or an interrupt, has made pointless."""


class _Bar:
    """One step's bar over several transfers. total_bytes: by sha256, 0 until a transfer knows better."""

    def __init__(self, step: Progress | None, total_bytes: dict[str, int]) -> None:
        self._step = step
        self._total_bytes = total_bytes
        self._done_bytes = dict.fromkeys(total_bytes, 0)
        self.stopped = False

    def report(self, sha256: str, done: int, total: int) -> None:
        if self.stopped:
            raise _Stopped
        self._done_bytes[sha256], self._total_bytes[sha256] = done, total
        if self._step:
            self._step.progress(sum(self._done_bytes.values()), sum(self._total_bytes.values()), "B")


@dataclass(frozen=True)
class _Share:
    """What one of several transfers reports to."""

    bar: _Bar
    download: Download

    def progress(self, done: int, total: int, unit: str = "") -> None:
        self.bar.report(self.download.sha256, done, total)


def cached_path(download: Download, ws: Workspace) -> Path:
    return ws.cache / "downloads" / download.sha256[:2] / f"{download.sha256}-{download.file}"


def keep_file(file: Path, download: Download, *, ws: Workspace) -> None:
    """Puts a file that was got in another way where fetch() looks. Raises VerificationError unless it is that one."""
    verify(file, download)
    place = cached_path(download, ws)
    place.parent.mkdir(parents=True, exist_ok=True)
    with ws.scratch("keep") as scratch:
        shutil.copyfile(file, scratch / "copy")
        (scratch / "copy").replace(place)


def verify(path: Path, download: Download) -> None:
    """Raises VerificationError unless the bytes are the locked ones."""
    found = sha256_file(path)
    if found != download.sha256:
        msg = f"{download.file}: sha256 is {found}, but the lock says {download.sha256}"
        raise VerificationError(msg, "the file has changed at its source or on its way; nothing was kept.")


def _locate(download: Download) -> str:
    if download.pypi:
        return pypi_url(download.pypi, download.file)
    if download.apt:
        return f"{debian_mirror(download.suite)}/{download.apt}"
    return download.url


def _transfer(url: str, part: Path, download: Download, step: Progress | None) -> None:
    """Bytes of url into part; a broken connection goes on where it stopped, up to _ATTEMPTS times."""
    problem = ""
    for _ in range(_ATTEMPTS):
        have = part.stat().st_size if part.exists() else 0
        try:
            request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
            with _open(request) as response:
                resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
                length = int(response.headers.get("Content-Length") or 0)
                expected = length + (have if resumed else 0)
                with part.open("ab" if resumed else "wb") as file:
                    while chunk := response.read(_CHUNK_BYTES):
                        file.write(chunk)
                        if step:
                            step.progress(file.tell(), expected, "B")
            size = part.stat().st_size
            if size >= expected:
                return
            problem = f"the connection ended after {size} of {expected} bytes"
        except urllib.error.HTTPError as err:
            if err.code in (403, 404, 410):
                msg = f"{download.file}: gone from its source (HTTP {err.code})"
                raise NotAvailable(msg, _refresh_hint(download)) from err
            problem = f"HTTP {err.code}"
        except ValueError as err:
            msg = f"{download.file}: cannot be fetched from '{url}' ({err})"
            raise NotAvailable(
                msg, "write `url` as https://HOST/PATH, or put the file into the cache by hand."
            ) from err
        except (OSError, http.client.HTTPException) as err:
            problem = str(getattr(err, "reason", None) or err) or type(err).__name__
    msg = f"{download.file}: could not be fetched: {problem}"
    raise NotAvailable(msg, "check the network and try again; nothing was kept.")


def _refresh_hint(download: Download) -> str:
    if download.apt:
        return "a point release replaced it: `edgebuild sysroot lock NAME --refresh` takes the new version."
    return "make a new lock, or put the file into the cache by hand."


def _open(request: urllib.request.Request | str) -> http.client.HTTPResponse:
    context = _tls(_ca_file(), os.environ.get("SSL_CERT_FILE", ""))
    response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=context)
    return response


@functools.cache
def _tls(ca_file: str | None, _environment: str) -> ssl.SSLContext:
    """Reading a system's certificates takes longer than many a download."""
    return ssl.create_default_context(cafile=ca_file)


# ---- The Python package index, as the user's pip is configured ----


@functools.cache
def _pip_config() -> dict[str, str]:
    """pip's own view of its configuration files and environment: {"global.index-url": ...}."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    pairs = (line.split("=", 1) for line in listing.splitlines() if "=" in line)
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs}


def _pip_setting(name: str) -> str:
    environment = os.environ.get("PIP_" + name.upper().replace("-", "_"), "")
    config = _pip_config() if not environment else {}
    return environment or config.get(f":env:.{name}", "") or config.get(f"global.{name}", "")


def _ca_file() -> str | None:
    if os.environ.get("SSL_CERT_FILE"):
        return None  # the default context honours it
    cert = _pip_setting("cert")
    if cert and Path(cert).is_file():
        return cert
    system = ssl.get_default_verify_paths()
    has_system_bundle = system.cafile or (system.capath and any(Path(system.capath).iterdir()))
    return None if has_system_bundle else certifi.where()


@functools.cache
def package_index() -> str:
    """The index pip would ask, without a trailing slash; pip's built-in default when nothing is configured."""
    if configured := _pip_setting("index-url"):
        return configured.rstrip("/")
    asked = [sys.executable, "-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip().rstrip("/")


class _Links(html.parser.HTMLParser):
    """href by link text, of a PEP 503 project page."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, str] = {}
        self._href = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._href = dict(attrs).get("href") or ""

    def handle_data(self, data: str) -> None:
        if self._href:
            self.files[data.strip()] = self._href
            self._href = ""


def pypi_files(project: str) -> dict[str, str]:
    """File name -> absolute address (with its #sha256=) of everything the index has for a project."""
    page = f"{package_index()}/{project}/"
    try:
        with _open(urllib.request.Request(page, headers={"Accept": "text/html"})) as response:
            links = _Links()
            links.feed(response.read().decode())
            base = response.url
    except (OSError, http.client.HTTPException) as err:
        msg = f"{project}: the Python package index did not answer ({getattr(err, 'reason', err)})"
        raise NotAvailable(msg, "check the network and pip's index-url.") from err
    return {name: urllib.parse.urljoin(base, href) for name, href in links.files.items()}


def pypi_url(project: str, file: str) -> str:
    """Address of one file of a project."""
    files = pypi_files(project)
    if file not in files:
        msg = f"{file}: the Python package index has no such file for {project}"
        raise NotAvailable(msg, "make a new lock.")
    return files[file].split("#")[0]


def pypi_download(project: str, file: str) -> Download:
    """A Download record for a lock, with the sha256 that the index itself states."""
    address = pypi_files(project).get(file, "")
    sha256 = urllib.parse.parse_qs(urllib.parse.urlsplit(address).fragment).get("sha256", [""])[0]
    if not sha256:
        with _open(pypi_url(project, file)) as response:
            sha256 = hashlib.sha256(response.read()).hexdigest()
    return Download(file=file, sha256=sha256, pypi=project)
