"""One command over one SSH channel: everything is written while everything is read, and nothing waits for ever."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import paramiko

from edgebuild.deploy.transport import Reply

WRITE_BYTES = 256 << 10
_TICK_S = 0.25
_STRAY_OUTPUT_S = 1.0
_READ_BYTES = 64 << 10
_MAX_STDOUT_BYTES = 4 << 20
_MAX_STDERR_BYTES = 64 << 10


class _Quiet(OSError):
    """Nothing moved for too long, or far too much came."""


@contextlib.contextmanager
def ended_after(transport: paramiko.Transport, seconds: float) -> Iterator[None]:
    """Closes the connection under a block that takes longer.

    In some places paramiko waits without end: for the answer to an exec request (Channel._wait_for_event), and for a
    socket that takes nothing (Packetizer.write_all), which behind a jump host no timeout of the kernel ends.
    """
    timer = threading.Timer(seconds, transport.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def converse(
    channel: paramiko.Channel,
    chunks: Iterable[bytes],
    timeout_s: float,
    sink: Callable[[bytes], object] | None = None,
) -> Reply:
    """Sends all chunks and gives what the command answered. sink: takes stdout instead, however much it is.

    A command may end before it has read everything: the rest is not sent. Raises OSError, EOFError, SSHException
    when the connection dies, and when nothing moves for timeout_s.
    """
    return _Conversation(channel, timeout_s, sink).hold(chunks)


class _Conversation:
    def __init__(self, channel: paramiko.Channel, timeout_s: float, sink: Callable[[bytes], object] | None) -> None:
        self._channel = channel
        self._timeout_s = timeout_s
        self._sink = sink
        self._moved_s = time.monotonic()
        self._stdout = bytearray()
        self._stderr = bytearray()

    def hold(self, chunks: Iterable[bytes]) -> Reply:
        self._channel.settimeout(_TICK_S)
        for chunk in _large(chunks):
            if not self._send(memoryview(chunk)):
                break
        if not self._channel.closed:
            with ended_after(self._channel.get_transport(), self._timeout_s):
                self._channel.shutdown_write()
        self._read_to_the_end()
        # A command that was killed leaves none, and neither does a connection that died.
        if not self._channel.status_event.is_set() or self._channel.exit_status < 0:
            raise EOFError("the command ended without an exit status")
        return Reply(self._channel.exit_status, _text(self._stdout), _text(self._stderr))

    def _send(self, rest: memoryview) -> bool:
        """False when the command ended without wanting it."""
        while rest:
            self._drain()
            if self._channel.exit_status_ready():
                return False
            try:
                with ended_after(self._channel.get_transport(), self._timeout_s):
                    sent = self._channel.send(rest)  # type: ignore[arg-type]  # takes any buffer
            except TimeoutError:  # the box's window is full
                self._check_patience()
                continue
            except OSError:
                if self._channel.status_event.is_set():
                    return False
                raise
            rest = rest[sent:]
            self._moved_s = time.monotonic()
        return True

    def _read_to_the_end(self) -> None:
        """Until both streams and the command have ended.

        Something that the command started may hold the streams open; that is none of our business once the command
        itself has ended.
        """
        ended_s: float | None = None
        while True:
            try:
                if not (data := self._channel.recv(_READ_BYTES)):
                    break
                self._keep(data)
            except TimeoutError:
                self._check_patience()
            self._drain()
            if self._channel.status_event.is_set():
                ended_s = ended_s or time.monotonic()
                if time.monotonic() - ended_s > _STRAY_OUTPUT_S:
                    break
        while not self._channel.status_event.wait(_TICK_S):
            if self._channel.closed or not self._is_alive():
                break
            self._check_patience()
        self._drain()

    def _drain(self) -> None:
        """Takes what is there already, so that the box never waits for us to read."""
        while self._channel.recv_ready():
            self._keep(self._channel.recv(_READ_BYTES))
        while self._channel.recv_stderr_ready():
            self._stderr += self._channel.recv_stderr(_READ_BYTES)
            del self._stderr[:-_MAX_STDERR_BYTES]
            self._moved_s = time.monotonic()

    def _keep(self, data: bytes) -> None:
        self._moved_s = time.monotonic()
        if self._sink:
            self._sink(data)
            return
        self._stdout += data
        if len(self._stdout) > _MAX_STDOUT_BYTES:
            raise _Quiet("the box sent more than an answer can be")

    def _check_patience(self) -> None:
        if not self._is_alive():
            raise EOFError("closed by the other side")
        if time.monotonic() - self._moved_s > self._timeout_s:
            raise _Quiet(f"nothing came or went for {self._timeout_s:g} s")

    def _is_alive(self) -> bool:
        return bool(self._channel.get_transport().is_active())


def _large(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of WRITE_BYTES: small writes cost a packet and a round of locks each."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= WRITE_BYTES:
            yield bytes(waiting[:WRITE_BYTES])
            del waiting[:WRITE_BYTES]
    if waiting:
        yield bytes(waiting)


def _text(data: bytearray) -> str:
    return data.decode("utf-8", errors="replace")
