"""SshTransport: Fabric's Connection with host keys checked on every hop, bounded calls and one raw byte stream.

Fabric accepts any host key by default (fabric/connection.py: AutoAddPolicy); the policy here replaces that before a
connection is opened. Its runner is not used: a payload goes through one channel in large writes, which is both the
quickest way on links with latency and the only one where the box has no sftp-server.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import paramiko
from fabric import Config, Connection  # type: ignore[import-untyped]
from paramiko.ssh_exception import ConfigParseError

from edgebuild.deploy.channel import converse, ended_after
from edgebuild.deploy.known_hosts import HostKey, KnownHosts, Names, host_names, known_hosts
from edgebuild.deploy.transport import CALL_TIMEOUT_S, ConnectionLost, Login, Reply
from edgebuild.errors import BoxError, BoxPending, ConfigError, EdgebuildError, VerificationError
from edgebuild.model.box import Address

_CONNECT_TIMEOUT_S = 10
_HANDSHAKE_TIMEOUT_S = 30  # a slow box computes for seconds before it has proven its key
_KEEPALIVE_S = 15
_DEAD_LINK_MS = 45_000  # unacknowledged for so long: the kernel ends the connection
_DEFAULT_USER = "root"

# What paramiko would print to stderr by itself, tracebacks among it, we say in our own words.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class SshTransport:
    """An open connection. Use `connect` to get one."""

    def __init__(self, connection: Connection, hops: list[Connection]) -> None:
        self._connection = connection
        self._hops = hops

    @property
    def address(self) -> str:
        return _shown(self._connection)

    def call(
        self,
        command: str,
        *,
        stdin: bytes | Iterable[bytes] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
        sink: Callable[[bytes], object] | None = None,
    ) -> Reply:
        chunks = (stdin,) if isinstance(stdin, bytes) else (stdin or ())
        transport = self._connection.transport
        try:
            channel = transport.open_session(timeout=_HANDSHAKE_TIMEOUT_S)
            with ended_after(transport, _HANDSHAKE_TIMEOUT_S), self._refusal_is_told():
                channel.exec_command(command)
            reply = converse(channel, chunks, timeout_s, sink)
            with ended_after(transport, _HANDSHAKE_TIMEOUT_S):
                channel.close()
            return reply
        except (paramiko.SSHException, EOFError, OSError) as err:
            # All of it, not the channel alone: to say goodbye on a dead connection may take for ever.
            transport.close()
            msg = f"{self.address}: connection lost ({_reason(err)})"
            raise ConnectionLost(msg) from err

    @contextlib.contextmanager
    def _refusal_is_told(self) -> Iterator[None]:
        """From a loss: paramiko says "Channel closed" for both, but a refusal leaves the connection as it was."""
        try:
            yield
        except paramiko.SSHException as err:
            if not self._connection.transport.is_active():
                raise
            msg = f"{self.address}: its SSH server runs no commands for this login"
            raise BoxError(
                msg, "the login needs sh as its shell; a vendor's command line has to be left first."
            ) from err

    def close(self) -> None:
        for connection in reversed(self._hops):
            connection.close()


def connect(login: Login) -> SshTransport:
    """Opens every hop, outermost first.

    Raises BoxPending (off, out of reach), VerificationError (host key), BoxError (authentication and the rest),
    ConfigError (key file, ~/.ssh/config).
    """
    hops = _hops(login)
    opened: list[Connection] = []
    try:
        for connection in hops:
            _harden(connection, login)
            opened.append(connection)
            _open(connection, login)
    except BaseException:
        for connection in reversed(opened):
            connection.close()
        raise
    return SshTransport(hops[-1], hops)


def fetch_host_key(login: Login) -> tuple[Names, HostKey]:
    """What known_hosts calls the box, and the key it shows. Jump hosts are checked; nobody logs in on the box."""
    *jumps, last = _hops(login)
    try:
        for connection in jumps:
            _harden(connection, login)
            _open(connection, login)
        with _translated(last, login), contextlib.closing(_handshake(last, _known(login))) as transport:
            transport.start_client(timeout=_HANDSHAKE_TIMEOUT_S)
            return _names(last), _host_key(transport.get_remote_server_key())
    finally:
        for connection in reversed(jumps):
            connection.close()


class _CheckedHosts(paramiko.MissingHostKeyPolicy):
    """Asked for every key, because paramiko's own table of hosts stays empty."""

    def __init__(self, known: KnownHosts, names: Names, accept_with: str) -> None:
        self._known = known
        self._names = names
        self._accept_with = accept_with

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        found = _host_key(key)
        self._known.check(self._names, found, accept_with=f"{self._accept_with} --fingerprint {found.fingerprint}")


def _hops(login: Login) -> list[Connection]:
    """Connections from the first jump host to the box. ~/.ssh/config may add jumps of its own."""
    try:
        gateway = _connection(login.via, None) if login.via else None
        connection = _connection(login.address, gateway)
    except (ConfigParseError, OSError, ValueError) as err:
        msg = f"~/.ssh/config: {err}"
        raise ConfigError(msg) from err
    hops = [connection]
    while isinstance(hops[0].gateway, Connection):
        hops.insert(0, hops[0].gateway)
    return hops


def _connection(address: Address, gateway: Connection | None) -> Connection:
    # As default, not as argument: a User line in ~/.ssh/config stays stronger.
    config = Config(overrides={"user": _DEFAULT_USER})
    return Connection(
        address.host,
        user=address.user or None,
        port=address.port or None,
        config=config,
        gateway=gateway,
        connect_timeout=_HANDSHAKE_TIMEOUT_S,
        forward_agent=False,
    )


def _harden(connection: Connection, login: Login) -> None:
    known = _known(login)
    connection.client.set_missing_host_key_policy(
        _CheckedHosts(known, _names(connection), _adopt_command(connection, login))
    )
    options: dict[str, Any] = connection.connect_kwargs
    options.update(
        banner_timeout=_HANDSHAKE_TIMEOUT_S,
        auth_timeout=_HANDSHAKE_TIMEOUT_S,
        channel_timeout=_HANDSHAKE_TIMEOUT_S,
        transport_factory=lambda sock, **more: _asking_for_known_keys(
            paramiko.Transport(sock, **more), known, _names(connection)
        ),
    )
    if login.key:
        options.pop("key_filename", None)
        if key := _load_key(login.key):
            options.update(pkey=key, allow_agent=False, look_for_keys=False)
        else:
            options.update(look_for_keys=False)  # it has a passphrase: the agent may hold it


def _open(connection: Connection, login: Login) -> None:
    with _translated(connection, login):
        if not connection.gateway:
            connection.connect_kwargs["sock"] = _tcp(connection)
        connection.open()
        connection.transport.set_keepalive(_KEEPALIVE_S)


def _tcp(connection: Connection) -> socket.socket:
    """Our own, because the time for reaching a box is not the time for its handshake."""
    sock = socket.create_connection((connection.host, connection.port), timeout=_CONNECT_TIMEOUT_S)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_LINK_MS)
    return sock


def _handshake(connection: Connection, known: KnownHosts) -> paramiko.Transport:
    sock = connection.open_gateway() if connection.gateway else _tcp(connection)
    transport = paramiko.Transport(sock)
    transport.banner_timeout = _HANDSHAKE_TIMEOUT_S
    return _asking_for_known_keys(transport, known, _names(connection))


def _asking_for_known_keys(transport: paramiko.Transport, known: KnownHosts, names: Names) -> paramiko.Transport:
    options = transport.get_security_options()
    wanted = [kind for kind in known.algorithms(names) if kind in options.key_types]
    options.key_types = [*wanted, *(kind for kind in options.key_types if kind not in wanted)]
    return transport


def _load_key(file: Path) -> paramiko.PKey | None:
    """None where it needs a passphrase. Raises ConfigError."""
    try:
        return paramiko.PKey.from_path(file)
    except (paramiko.PasswordRequiredException, TypeError):
        return None
    except FileNotFoundError as err:
        msg = f"{file}: no such key file"
        raise ConfigError(msg) from err
    except (OSError, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as err:
        msg = f"{file}: not a private key that can be used ({_reason(err)})"
        raise ConfigError(msg, "OpenSSH's formats are read: `ssh-keygen -t ed25519` makes one.") from err


@contextlib.contextmanager
def _translated(connection: Connection, login: Login) -> Any:
    """Everything that connecting may raise -> off, refused, or wrong usage; each says which hop it was."""
    place = _shown(connection)
    try:
        yield
    except EdgebuildError:
        raise
    except (paramiko.AuthenticationException, paramiko.PasswordRequiredException) as err:
        if "timeout" in str(err):  # which AuthHandler.wait_for_response calls a refusal
            raise BoxPending(f"{place}: lost while it let us in ({_reason(err)})") from err
        raise _not_let_in(place, login, err) from err
    except paramiko.ChannelException as err:
        raise _not_forwarded(place, connection, err) from err
    except paramiko.SSHException as err:
        if "No authentication methods" in str(err):
            raise _not_let_in(place, login, err) from err
        if str(err).startswith("Signature verification"):
            msg = f"{place}: shows a host key that it cannot prove to have ({err})"
            raise VerificationError(
                msg, "somebody may be in between; if not, the connection damages what goes over it."
            ) from err
        if isinstance(err, paramiko.ssh_exception.IncompatiblePeer):
            msg = f"{place}: no common SSH algorithm ({err})"
            raise BoxError(
                msg, "its SSH server is very old; it needs curve25519 or ecdh, and ed25519 or rsa-sha2."
            ) from err
        msg = f"{place}: does not answer as an SSH server ({_reason(err)})"
        raise BoxPending(msg, "it is off, still starting, or its tunnel is down.") from err
    except FileNotFoundError as err:
        msg = f"{err.filename}: no such key file (named in ~/.ssh/config)"
        raise ConfigError(msg) from err
    except (OSError, EOFError) as err:
        msg = f"{place}: not reachable ({_reason(err)})"
        raise BoxPending(msg) from err
    except (ValueError, LookupError, struct.error) as err:  # paramiko parses what a peer sends without checking it
        msg = f"{place}: does not answer as an SSH server ({_reason(err)})"
        raise BoxPending(msg, "something else listens there, or the connection damages what goes over it.") from err


def _not_let_in(place: str, login: Login, err: Exception) -> BoxError:
    if login.key:
        tried = (
            f"key {login.key}"
            if _load_key(login.key)
            else f"key {login.key} (has a passphrase: only through the agent)"
        )
    else:
        tried = "the agent's keys, ~/.ssh/id_* and those of ~/.ssh/config"
    msg = f"{place}: not let in; tried {tried}, no passwords ({_reason(err)})"
    return BoxError(msg, "`ssh-copy-id` puts a key there; --key FILE or `key:` in fleet.yaml names another.")


def _not_forwarded(place: str, connection: Connection, err: paramiko.ChannelException) -> EdgebuildError:
    jump = _shown(connection.gateway)
    if err.code == 1:  # RFC 4254, section 5.1: administratively prohibited
        msg = f"{place}: the jump host {jump} does not forward connections"
        return BoxError(msg, "allow it there: AllowTcpForwarding in sshd_config.")
    return BoxPending(f"{place}: not reachable from the jump host {jump} ({err.text})")


def _adopt_command(connection: Connection, login: Login) -> str:
    words = f"edgebuild box adopt {_shown(connection)}"
    if connection.gateway and login.via:
        words += f" --via {login.via}"
    return words + (f" --known-hosts {login.known_hosts}" if login.known_hosts else "")


def _names(connection: Connection) -> Names:
    jump = connection.gateway
    return host_names(connection.host, connection.port, _names(jump) if isinstance(jump, Connection) else ())


def _known(login: Login) -> KnownHosts:
    return known_hosts(login.known_hosts)


def _host_key(key: paramiko.PKey) -> HostKey:
    return HostKey(key.get_name(), key.asbytes())


def _shown(connection: Connection) -> str:
    return str(Address(connection.host, connection.user, connection.port))


def _reason(err: BaseException) -> str:
    """One line. An OSError's own words, without the number."""
    if isinstance(err, TimeoutError):
        return "timed out"
    text = err.strerror if isinstance(err, OSError) and err.strerror else str(err)
    return " ".join(text.split()) or type(err).__name__
