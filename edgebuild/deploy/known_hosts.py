"""Which host keys a person has accepted: OpenSSH's known_hosts files, read strictly.

Not paramiko's own reader: that knows neither the line that an entry stands in, nor @revoked, nor patterns, and of
two keys of one type it compares only the first.
Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from paramiko.hostkeys import HostKeys

from edgebuild.errors import ConfigError, VerificationError

SSH_PORT = 22
_SYSTEM_FILE = Path("/etc/ssh/ssh_known_hosts")
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")  # how an "ssh-rsa" key is asked for


@dataclass(frozen=True)
class HostKey:
    """kind: "ssh-ed25519"; blob: the key as it goes over the wire."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def line(self, name: str) -> str:
        return f"{name} {self.kind} {base64.b64encode(self.blob).decode()}\n"


@dataclass(frozen=True)
class Entry:
    """One line. marker: "", "@revoked" or "@cert-authority"."""

    file: Path
    line: int
    marker: str
    names: tuple[str, ...]
    key: HostKey

    def is_about(self, name: str) -> bool:
        matched = False
        for pattern in self.names:
            if _matches(pattern.removeprefix("!"), name):
                if pattern.startswith("!"):
                    return False
                matched = True
        return matched


# What known_hosts may call a host, the strictest first; see host_names().
Names = tuple[str, ...]


@dataclass(frozen=True)
class KnownHosts:
    """files: the first is where a newly accepted key goes; one that does not exist holds nothing."""

    files: tuple[Path, ...]

    def entries(self, name: str) -> tuple[Entry, ...]:
        return tuple(entry for file in self.files for entry in _read(file) if entry.is_about(name))

    def algorithms(self, names: Names) -> tuple[str, ...]:
        """What to ask the box for first, so that it shows the key we know rather than another of its keys."""
        kinds = dict.fromkeys(entry.key.kind for name in names for entry in self.entries(name) if not entry.marker)
        return tuple(each for kind in kinds for each in (_RSA_SIGNATURES if kind == "ssh-rsa" else (kind,)))

    def knows(self, names: Names, key: HostKey, *, accept_with: str) -> bool:
        """Whether the key was accepted. Raises VerificationError where it is revoked, or another than was accepted.

        Another key under a later name may be that of another site's box, so it proves no change.
        """
        entries = [self.entries(name) for name in names]
        for entry in (entry for each in entries for entry in each):
            if entry.marker == "@revoked" and entry.key == key:
                msg = f"{names[0]}: its host key is revoked ({key.kind} {key.fingerprint}), {entry.file}:{entry.line}"
                raise VerificationError(msg, "do not talk to it; give the box a new host key.")
        own, *others = ([entry for entry in each if not entry.marker] for each in entries)
        if own and all(entry.key != key for entry in own):
            raise _changed(names[0], key, own, accept_with)
        return bool(own) or any(entry.key == key for other in others for entry in other)

    def check(self, names: Names, key: HostKey, *, accept_with: str) -> None:
        """Raises VerificationError unless the key was accepted for that host. accept_with: the command for it."""
        if not self.knows(names, key, accept_with=accept_with):
            msg = f"{names[0]}: host key not known ({key.kind} {key.fingerprint})"
            raise VerificationError(msg, f"compare it with what the box's console shows, then `{accept_with}`")

    def add(self, name: str, key: HostKey) -> None:
        """Appends one line in a single write, so that two that add at once both stay."""
        file = self.files[0]
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            size_bytes = stream.seek(0, os.SEEK_END)
            unfinished = size_bytes > 0 and os.pread(stream.fileno(), 1, size_bytes - 1) != b"\n"
            stream.write(("\n" if unfinished else "").encode() + key.line(name).encode())
            os.fsync(stream.fileno())


def known_hosts(file: Path | None) -> KnownHosts:
    """The user's file and the system's, as ssh reads them; or only the given one."""
    return KnownHosts((file,) if file else (Path("~/.ssh/known_hosts").expanduser(), _SYSTEM_FILE))


def host_name(host: str, port: int) -> str:
    """What known_hosts calls a host: ports other than 22 stand in the name, so one hub has a key per tunnel."""
    host = host.lower()  # as ssh does, which matters where names are hashed
    return host if port == SSH_PORT else f"[{host}]:{port}"


def host_names(host: str, port: int, jump: Names = ()) -> Names:
    """jump: names of the jump host before it. Behind one, "192.168.1.10" is not one machine: every site has its own.

    So a key is accepted for "192.168.1.10@hub", a name that ssh takes as HostKeyAlias; and what a person has
    accepted with ssh itself, for "192.168.1.10", counts where nothing is known for the longer name.
    """
    name = host_name(host, port)
    return (f"{name}@{jump[0]}", name) if jump else (name,)


def _changed(name: str, key: HostKey, accepted: list[Entry], accept_with: str) -> VerificationError:
    known = next((entry for entry in accepted if entry.key.kind == key.kind), accepted[0])
    msg = (
        f"{name}: host key CHANGED: {key.kind} {key.fingerprint}, "
        f"but known is {known.key.kind} {known.key.fingerprint} ({known.file}:{known.line})"
    )
    hint = (
        "somebody may be in between, or the box was installed anew. Only in that case: "
        f"`ssh-keygen -R '{name}' -f {known.file}`, then `{accept_with}`"
    )
    return VerificationError(msg, hint)


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        try:
            return HostKeys.hash_host(name, pattern) == pattern
        except (ValueError, AssertionError, IndexError):  # a damaged hash is nobody's name
            return False
    # Only * and ? are special there; "[host]:22" is a name, not a character class.
    escaped = re.sub(r"([\[])", r"[\1]", pattern.lower())
    return fnmatch.fnmatchcase(name.lower(), escaped)


def _read(file: Path) -> tuple[Entry, ...]:
    """Lines that are not keys (comments, types unknown to us, damage) say nothing about any host, as in ssh."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ()
    except OSError as err:
        msg = f"{file}: cannot be read ({err.strerror}), so no host key can be checked"
        raise ConfigError(msg) from err
    return tuple(entry for number, text in enumerate(lines, start=1) if (entry := _entry(file, number, text)))


def _entry(file: Path, number: int, text: str) -> Entry | None:
    words = text.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#"):
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return Entry(file, number, marker, tuple(words[0].split(",")), HostKey(words[1], blob))
