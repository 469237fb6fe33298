"""An SSH server in this process for unit tests: real handshakes on loopback, answers that a test chooses."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import paramiko

Answer = Callable[[str, paramiko.Channel], "int | None"]


class SshServer(paramiko.ServerInterface):
    """answer: gets command and channel, gives the exit status; None: none is ever sent."""

    def __init__(self, key: paramiko.PKey, user_key: paramiko.PKey, answer: Answer) -> None:
        self._key = key
        self._user_key = user_key
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.commands: list[str] = []
        self._transports: list[paramiko.Transport] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # close() alone would leave it listening while accept() waits
        self._socket.close()
        self.cut()

    def cut(self) -> None:
        """All connections, as a cable would."""
        for transport in self._transports:
            transport.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self._key)
            self._transports.append(transport)
            transport.start_server(event=threading.Event(), server=self)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if key == self._user_key else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        self.commands.append(f"forward {destination[0]}:{destination[1]}")
        try:
            far = socket.create_connection(destination, timeout=5)
        except OSError:
            return paramiko.OPEN_FAILED_CONNECT_FAILED
        threading.Thread(target=self._forward, args=(far,), daemon=True).start()
        return paramiko.OPEN_SUCCEEDED

    def _forward(self, far: socket.socket) -> None:
        far.settimeout(None)
        channel = next(filter(None, (each.accept(5) for each in reversed(self._transports))))
        for source, sink in ((far, channel), (channel, far)):
            threading.Thread(target=_copy, args=(source, sink), daemon=True).start()

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        # Later, because the reply to this request has to go out before the answer.
        run = threading.Timer(0.02, self._run, (channel, command.decode()))
        run.daemon = True
        run.start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        self.commands.append(command)
        code = self._answer(command, channel)
        if code is not None:
            channel.send_exit_status(code)
            channel.shutdown_write()
        channel.close()


def _copy(source: socket.socket | paramiko.Channel, sink: socket.socket | paramiko.Channel) -> None:
    while data := source.recv(1 << 15):
        sink.sendall(data)


@contextlib.contextmanager
def ssh_server(key: paramiko.PKey, user_key: paramiko.PKey, answer: Answer) -> Iterator[SshServer]:
    server = SshServer(key, user_key, answer)
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):  # a test has closed it already
            server.close()
