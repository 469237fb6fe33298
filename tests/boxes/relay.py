"""A bad network between a controller and a box: `with Relay(box.address, box.port) as relay: ... relay.port`."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

_CHUNK_BYTES = 16_384


@dataclass(eq=False)
class _Link:
    """One connection: what the controller sent goes up, what the box sent goes down."""

    near: socket.socket
    far: socket.socket
    pumps: list[threading.Thread] = field(default_factory=list)

    def close(self) -> None:
        """As when a cable is pulled and the router says so: a reset rather than an orderly end."""
        for end in (self.near, self.far):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                end.close()


class Relay:
    """Listens on a port of its own and passes on to one address.

    rate_bytes_s: of each direction of each connection; None: as fast as it goes. May be changed while it runs.
    sent_bytes, received_bytes: what controllers have sent and received so far, over all connections.
    """

    def __init__(self, address: str, port: int, *, rate_bytes_s: float | None = None) -> None:
        self.target = (address, port)
        self.rate_bytes_s = rate_bytes_s
        self.sent_bytes = 0
        self.received_bytes = 0
        self.connections = 0
        self._cut_at_bytes: int | None = None
        self._cut_at_received_bytes: int | None = None
        self._refuses = False
        self._lock = threading.Lock()
        self._links: list[_Link] = []
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address, self.port = self._listener.getsockname()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._ended.set()
        self._listener.close()
        self.cut()
        self._acceptor.join(5)

    def cut(self) -> None:
        """Ends every connection there is; new ones may come."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.close()

    def cut_after(self, sent_bytes: int) -> None:
        """Cuts once, when controllers have sent so many more bytes."""
        with self._lock:
            self._cut_at_bytes = self.sent_bytes + sent_bytes

    def cut_after_receiving(self, received_bytes: int) -> None:
        """Cuts once, when boxes have sent so many more bytes."""
        with self._lock:
            self._cut_at_received_bytes = self.received_bytes + received_bytes

    def refuse(self, refuses: bool = True) -> None:
        """Takes no new connections for as long as that holds."""
        self._refuses = refuses

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._ended.is_set():
                if selector.select(0.1) and not self._ended.is_set():
                    with contextlib.suppress(OSError):
                        self._open(self._listener.accept()[0])

    def _open(self, near: socket.socket) -> None:
        if self._refuses:
            near.close()
            return
        try:
            far = socket.create_connection(self.target, timeout=10)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        link = _Link(near, far)
        with self._lock:
            self._links.append(link)
            self.connections += 1
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(link, source, sink), daemon=True).start()

    def _pump(self, link: _Link, source: socket.socket, sink: socket.socket) -> None:
        """Until an end says goodbye, which is passed on, or breaks, which breaks both."""
        try:
            while chunk := source.recv(_CHUNK_BYTES):
                if not (self._may_send(chunk) if source is link.near else self._may_receive(chunk)):
                    return
                sink.sendall(chunk)
                if self.rate_bytes_s:
                    time.sleep(len(chunk) / self.rate_bytes_s)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            link.close()

    def _may_send(self, chunk: bytes) -> bool:
        """Counts; cuts instead when the chunk would pass the limit."""
        with self._lock:
            self.sent_bytes += len(chunk)
            is_over = self._cut_at_bytes is not None and self.sent_bytes > self._cut_at_bytes
            if is_over:
                self._cut_at_bytes = None
        if is_over:
            self.cut()
        return not is_over

    def _may_receive(self, chunk: bytes) -> bool:
        with self._lock:
            self.received_bytes += len(chunk)
            limit = self._cut_at_received_bytes
            is_over = limit is not None and self.received_bytes > limit
            if is_over:
                self._cut_at_received_bytes = None
        if is_over:
            self.cut()
        return not is_over
