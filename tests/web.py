"""A web server on the loopback interface that can break off, lie and count: the network, for tests."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebServer(ThreadingHTTPServer):
    """files: path -> bytes. cuts: path -> most bytes given in one answer, though all are promised."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.cuts: dict[str, int] = {}
        self.asked: list[tuple[str, str]] = []  # (path, Range header)

    @classmethod
    @contextlib.contextmanager
    def serving(cls) -> Iterator[WebServer]:
        with cls() as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def add_package(self, project: str, file: str, content: bytes, *, stated_sha256: str = "") -> None:
        """A project with one file, as a PEP 503 index below /simple."""
        digest = stated_sha256 or hashlib.sha256(content).hexdigest()
        self.files[f"/simple/{project}/"] = f'<a href="/files/{file}#sha256={digest}">{file}</a>'.encode()
        self.files[f"/files/{file}"] = content


class _Handler(BaseHTTPRequestHandler):
    server: WebServer

    def do_GET(self) -> None:
        asked_range = self.headers.get("Range", "")
        self.server.asked.append((self.path, asked_range))
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        start = int(asked_range.removeprefix("bytes=").removesuffix("-") or 0)
        rest = content[start:]
        self.send_response(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.cuts.get(self.path, len(rest))])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Silent: what matters is in WebServer.asked."""
