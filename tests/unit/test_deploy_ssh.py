"""SshTransport over real handshakes on loopback: whose key is believed, and that no call waits for ever."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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


def test_the_key_to_adopt_is_read_without_a_login(serve: Serve, tmp_path: Path, host_key: paramiko.PKey) -> None:
    server = serve()
    name, key = fetch_host_key(login(server, tmp_path, key="none"))
    assert (name, key.blob) == (f"[127.0.0.1]:{server.port}", host_key.asbytes())
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
