"""SshTransport over real handshakes on loopback: whose key is believed, and that no call waits for ever."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgebuild.deploy import ssh
from edgebuild.deploy.known_hosts import HostKey, KnownHosts, host_name
from edgebuild.deploy.ssh import SshTransport, connect, fetch_host_key
from edgebuild.deploy.transport import ConnectionLost, Login
from edgebuild.errors import BoxError, BoxPending, ConfigError, VerificationError
from edgebuild.model.box import Address
from tests.ssh_server import Answer, SshServer, ssh_server

Serve = Callable[..., SshServer]


def key_file(folder: Path, name: str, passphrase: bytes = b"") -> Path:
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption
    )
    path = folder / name
    path.write_bytes(text)
    return path


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ~/.ssh and no agent of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def host_key(tmp_path: Path) -> paramiko.PKey:
    return paramiko.PKey.from_path(key_file(tmp_path, "host"))


@pytest.fixture
def user_key(tmp_path: Path) -> Path:
    return key_file(tmp_path, "user")


@pytest.fixture
def serve(host_key: paramiko.PKey, user_key: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(answer: Answer = lambda command, channel: 0) -> SshServer:
            return stack.enter_context(ssh_server(host_key, paramiko.PKey.from_path(user_key), answer))

        yield start


def login(server: SshServer, tmp_path: Path, *, key: str = "user", via: SshServer | None = None) -> Login:
    return Login(
        Address("127.0.0.1", "root", server.port),
        key=tmp_path / key,
        via=Address("127.0.0.1", "root", via.port) if via else None,
        known_hosts=tmp_path / "known",
    )


def know(tmp_path: Path, key: paramiko.PKey, *servers: SshServer) -> None:
    for server in servers:
        KnownHosts((tmp_path / "known",)).add(
            host_name("127.0.0.1", server.port), HostKey(key.get_name(), key.asbytes())
        )


def connected(server: SshServer, tmp_path: Path, host_key: paramiko.PKey) -> SshTransport:
    know(tmp_path, host_key, server)
    return connect(login(server, tmp_path))


def test_a_command_gets_its_input_and_gives_its_answer(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    """More in each direction than any window holds, at the same time."""
    data = os.urandom(5 << 20)

    def echo(command: str, channel: paramiko.Channel) -> int:
        sha = hashlib.sha256()
        while piece := channel.recv(1 << 16):
            sha.update(piece)
            channel.sendall_stderr(piece[: len(piece) // 2])
        channel.sendall(f"{command} {sha.hexdigest()}".encode() + b"x" * (3 << 20))
        return 7

    transport = connected(serve(echo), tmp_path, host_key)
    reply = transport.call("go", stdin=(data[start : start + 100_000] for start in range(0, len(data), 100_000)))
    assert (reply.code, reply.stdout[:67]) == (7, f"go {hashlib.sha256(data).hexdigest()}")
    assert len(reply.stdout) == 67 + (3 << 20) and len(reply.stderr) > 0
    assert transport.call("again").code == 7
    transport.close()


def test_a_command_may_end_without_reading(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    def refuse(_: str, channel: paramiko.Channel) -> int:
        channel.sendall_stderr(b"no space\n")
        return 10

    transport = connected(serve(refuse), tmp_path, host_key)
    reply = transport.call("receive", stdin=(bytes(1 << 20) for _ in range(64)), timeout_s=20)
    assert (reply.code, reply.stderr) == (10, "no space\n")


def test_a_silent_box_is_not_waited_for(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    over = threading.Event()

    def sleep(_: str, channel: paramiko.Channel) -> int:
        over.wait(10)
        return 0

    transport = connected(serve(sleep), tmp_path, host_key)
    with pytest.raises(ConnectionLost, match=r"nothing came or went for 0\.6 s"):
        transport.call("sleep", stdin=(bytes(1 << 20) for _ in range(64)), timeout_s=0.6)
    over.set()


def test_a_cut_connection_is_told_from_an_answer(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    def cut(_: str, channel: paramiko.Channel) -> None:
        channel.recv(1)
        server.cut()

    server = serve(cut)
    transport = connected(server, tmp_path, host_key)
    with pytest.raises(ConnectionLost):
        transport.call("go", stdin=b"x")
    with pytest.raises(ConnectionLost):
        transport.call("go")


def test_a_killed_command_is_told_from_an_answer(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    transport = connected(serve(lambda command, channel: None), tmp_path, host_key)
    with pytest.raises(ConnectionLost, match="without an exit status"):
        transport.call("go")


def test_an_unknown_key_is_refused_before_anything_is_said(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    with pytest.raises(VerificationError, match=r"not known \(ssh-ed25519 SHA256:") as caught:
        connect(login(server, tmp_path))
    assert f"edgebuild box adopt root@127.0.0.1:{server.port}" in caught.value.hint
    assert "--fingerprint SHA256:" in caught.value.hint and f"--known-hosts {tmp_path / 'known'}" in caught.value.hint
    assert not (tmp_path / "known").exists() and not (tmp_path / ".ssh").exists()


def test_a_changed_key_is_refused(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    know(tmp_path, paramiko.PKey.from_path(key_file(tmp_path, "other")), server)
    with pytest.raises(VerificationError, match="CHANGED"):
        connect(login(server, tmp_path))


def test_the_jump_host_s_key_is_checked_as_well(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    box, jump = serve(), serve()
    know(tmp_path, host_key, box)
    with pytest.raises(VerificationError, match=rf"\[127\.0\.0\.1\]:{jump.port}: host key not known"):
        connect(login(box, tmp_path, via=jump))
    assert jump.commands == []


def test_a_box_is_reached_through_a_jump_host(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    box, jump = serve(), serve()
    know(tmp_path, host_key, box, jump)
    transport = connect(login(box, tmp_path, via=jump))
    assert transport.call("go").code == 0
    assert (jump.commands, box.commands) == ([f"forward 127.0.0.1:{box.port}"], ["go"])
    transport.close()


def test_a_box_that_is_off_behind_a_jump_host_is_pending(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    box, jump = serve(), serve()
    know(tmp_path, host_key, box, jump)
    box.close()
    with pytest.raises(BoxPending, match="from the jump host"):
        connect(login(box, tmp_path, via=jump))


def test_a_user_s_own_ssh_config_is_honoured(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    server = serve()
    know(tmp_path, host_key, server)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(
        f"Host shop\n  HostName 127.0.0.1\n  Port {server.port}\n  User me\n  IdentityFile {tmp_path / 'user'}\n"
    )
    transport = connect(Login(Address("shop"), known_hosts=tmp_path / "known"))
    assert transport.address == f"me@127.0.0.1:{server.port}"
    transport.close()


def test_who_is_not_let_in_learns_what_was_tried(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    server = serve()
    know(tmp_path, host_key, server)
    key_file(tmp_path, "stranger")
    key_file(tmp_path, "locked", b"secret")
    with pytest.raises(BoxError, match=r"not let in; tried key .*stranger"):
        connect(login(server, tmp_path, key="stranger"))
    with pytest.raises(BoxError, match=r"locked .has a passphrase"):
        connect(login(server, tmp_path, key="locked"))
    with pytest.raises(BoxError, match="agent's keys"):
        connect(Login(Address("127.0.0.1", "root", server.port), known_hosts=tmp_path / "known"))


@pytest.mark.parametrize(("content", "words"), [(None, "no such key file"), (b"x", "not a private key")])
def test_a_key_file_that_cannot_be_used_is_a_mistake_of_usage(
    serve: Serve, tmp_path: Path, content: bytes | None, words: str
) -> None:
    if content:
        (tmp_path / "bad").write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        connect(login(serve(), tmp_path, key="bad"))


def test_what_is_off_or_no_ssh_server_is_pending(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(BoxPending, match="refused"):
        connect(Login(Address("127.0.0.1", "root", port)))
    with pytest.raises(BoxPending, match="not reachable"):
        connect(Login(Address("no-such-box.invalid")))


def test_the_same_address_behind_another_jump_host_is_another_box(
    serve: Serve, tmp_path: Path, host_key: paramiko.PKey
) -> None:
    box, jump = serve(), serve()
    know(tmp_path, host_key, jump)
    names, key = fetch_host_key(login(box, tmp_path, via=jump))
    assert names[0] == f"[127.0.0.1]:{box.port}@[127.0.0.1]:{jump.port}"
    KnownHosts((tmp_path / "known",)).add(names[0], key)
    connect(login(box, tmp_path, via=jump)).close()
    with pytest.raises(VerificationError, match="not known"):
        connect(login(box, tmp_path))


class Mute(paramiko.ServerInterface):
    """Lets anybody in, takes commands, and never says whether it will run them; or that it will not."""

    def __init__(self, host_key: paramiko.PKey, *, refuses: bool) -> None:
        self.over = threading.Event()
        self._refuses = refuses
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._serve, args=(host_key,), daemon=True).start()

    def _serve(self, host_key: paramiko.PKey) -> None:
        self._transport = paramiko.Transport(self._socket.accept()[0])
        self._transport.add_server_key(host_key)
        self._transport.start_server(event=threading.Event(), server=self)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if not self._refuses:
            self.over.wait(20)
        return False

    def transport_to(self, tmp_path: Path, host_key: paramiko.PKey) -> SshTransport:
        KnownHosts((tmp_path / "known",)).add(
            host_name("127.0.0.1", self.port), HostKey(host_key.get_name(), host_key.asbytes())
        )
        address = Address("127.0.0.1", "root", self.port)
        return connect(Login(address, key=tmp_path / "user", known_hosts=tmp_path / "known"))


def test_a_box_that_never_begins_a_command_is_not_waited_for(
    tmp_path: Path, host_key: paramiko.PKey, user_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Mute(host_key, refuses=False)
    transport = box.transport_to(tmp_path, host_key)
    monkeypatch.setattr(ssh, "_HANDSHAKE_TIMEOUT_S", 0.5)
    began_s = time.monotonic()
    with pytest.raises(ConnectionLost):
        transport.call("go")
    transport.close()
    assert time.monotonic() - began_s < 5
    box.over.set()


def test_a_login_that_may_run_nothing_is_told_from_a_lost_connection(
    tmp_path: Path, host_key: paramiko.PKey, user_key: Path
) -> None:
    transport = Mute(host_key, refuses=True).transport_to(tmp_path, host_key)
    with pytest.raises(BoxError, match="runs no commands") as caught:
        transport.call("go")
    assert not isinstance(caught.value, ConnectionLost)
    transport.close()


def damaging(port: int, spoil: Callable[[bytes], bytes]) -> int:
    """A port that leads there, and changes the first large piece that comes back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        near, far = listener.accept()[0], socket.create_connection(("127.0.0.1", port))

        def forth() -> None:
            with contextlib.suppress(OSError):
                while data := near.recv(1 << 16):
                    far.sendall(data)

        threading.Thread(target=forth, daemon=True).start()
        with contextlib.suppress(OSError):
            while data := far.recv(1 << 16):
                near.sendall(spoil(data))

    threading.Thread(target=run, daemon=True).start()
    return int(listener.getsockname()[1])


def test_what_is_damaged_on_its_way_is_no_defect_of_ours(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    """paramiko raises whatever its parser trips over: here UnicodeDecodeError, in a list of algorithms."""
    port = damaging(serve().port, lambda data: data.replace(b"curve25519", b"curve\xff5519", 1))
    with pytest.raises(BoxPending, match="does not answer as an SSH server"):
        connect(Login(Address("127.0.0.1", "root", port), known_hosts=tmp_path / "known"))


def test_a_host_key_that_is_shown_but_not_proven_is_refused_as_such(
    serve: Serve, tmp_path: Path, host_key: paramiko.PKey
) -> None:
    """As somebody in between does who has seen the right key: not the same as a box that is off."""
    secret = host_key.asbytes()[-32:]
    port = damaging(serve().port, lambda data: data.replace(secret, secret[:-1] + bytes([secret[-1] ^ 1])))
    with pytest.raises(VerificationError, match="cannot prove"):
        connect(Login(Address("127.0.0.1", "root", port), known_hosts=tmp_path / "known"))


def test_the_key_to_adopt_is_read_without_a_login(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    server = serve()
    names, key = fetch_host_key(login(server, tmp_path, key="none"))
    assert (names, key.blob) == ((f"[127.0.0.1]:{server.port}",), host_key.asbytes())
    assert server.commands == []


def test_paramiko_says_nothing_by_itself(
    serve: Serve, tmp_path: Path, host_key: paramiko.PKey, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    transport = connected(server, tmp_path, host_key)
    server.cut()
    with pytest.raises(ConnectionLost):
        transport.call("go")
    assert capfd.readouterr() == ("", "")
