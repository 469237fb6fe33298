"""What somebody configured on a box: its files over the distribution's, as an overlay's layer.

Pure but for write_layer. Keys are made for one rack and live as long.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

_NO_PASSWORD = "*"  # and yet not locked, which sshd would take for "keys neither"

_RC_S = """\
#!/bin/sh
for script in /etc/init.d/S??*; do
    [ ! -x "$script" ] || "$script" start
done
"""
_RC_K = """\
#!/bin/sh
for script in $(ls -r /etc/init.d/S??*); do
    [ ! -x "$script" ] || "$script" stop
done
"""
_S50DROPBEAR = """\
#!/bin/sh
case $1 in
start) dropbear -E -p {address}:{port} -r /etc/dropbear/host_key 2>/run/dropbear.log ;;
stop) killall dropbear ;;
esac
"""
# dropbear hands on no environment, and this is how the emulator is told which CPU it is.
_LOGIN_SHELL = """\
#!/bin/sh
export QEMU_CPU={cpu}
exec /bin/sh "$@"
"""


@dataclass(frozen=True)
class Keys:
    """A pair for SSH."""

    private: Ed25519PrivateKey

    @staticmethod
    def generate() -> Keys:
        return Keys(Ed25519PrivateKey.generate())

    def private_openssh(self) -> bytes:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())

    def public_line(self) -> str:
        """ "ssh-ed25519 AAAA..." """
        return self.private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    def private_dropbear(self) -> bytes:
        """Name, then private and public half in one string. Source: dropbear, ed25519.c, buf_put_ed25519_priv_key."""
        secret = self.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return _ssh_string(b"ssh-ed25519") + _ssh_string(secret + public)


def _ssh_string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


@dataclass(frozen=True)
class File:
    content: str | bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Link:
    target: str


Files = dict[str, File | Link]


def render_common(name: str, shell: str, client: Keys) -> Files:
    """Files of every box, by path below its root."""
    return {
        "etc/hostname": File(f"{name}\n"),
        "etc/hosts": File(f"127.0.0.1 localhost {name}\n"),
        "etc/passwd": File(f"root:x:0:0:root:/root:{shell}\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"),
        "etc/shadow": File(f"root:{_NO_PASSWORD}:19000:0:99999:7:::\n", 0o600),
        "etc/group": File("root:x:0:\nnogroup:x:65534:\n"),
        "etc/nsswitch.conf": File("passwd: files\ngroup: files\nshadow: files\nhosts: files\n"),
        "etc/shells": File(f"/bin/sh\n/bin/bash\n{shell}\n"),
        "root/.ssh/authorized_keys": File(f"{client.public_line()}\n", 0o600),
    }


def render_busybox(address: str, port: int, cpu: str, host: Keys) -> Files:
    """busybox init, its scripts as Buildroot has them, and dropbear."""
    return {
        "etc/inittab": File("::sysinit:/etc/init.d/rcS\n::shutdown:/etc/init.d/rcK\n"),
        "etc/init.d/rcS": File(_RC_S, 0o755),
        "etc/init.d/rcK": File(_RC_K, 0o755),
        "etc/init.d/S50dropbear": File(_S50DROPBEAR.format(address=address, port=port), 0o755),
        "etc/dropbear/host_key": File(host.private_dropbear(), 0o600),
        "usr/libexec/login-shell": File(_LOGIN_SHELL.format(cpu=cpu), 0o755),
    }


def render_debian(host: Keys) -> Files:
    """Folders of SysV init; sshd is the host's, and its settings are init.py's."""
    levels: Files = {f"etc/rc{level}.d/README": File("") for level in range(7)}
    return {
        **levels,
        "usr/bin/awk": Link("mawk"),  # as mawk's own scripts would make it, which nobody ran
        "etc/init.d/README": File(""),
        "etc/ssh/ssh_host_ed25519_key": File(host.private_openssh(), 0o600),
    }


def write_layer(folder: Path, files: Files) -> None:
    """The files, and the folders that every box has."""
    for name in ("dev", "proc", "run", "sys", "tmp", "root/.ssh", "var/lib", "var/log"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, mode in (("", 0o755), ("root", 0o700), ("root/.ssh", 0o700), ("tmp", 0o1777)):
        (folder / name).chmod(mode)
    for name, entry in {"var/run": Link("../run"), **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(entry, Link):
            path.symlink_to(entry.target)
            continue
        path.write_bytes(entry.content.encode() if isinstance(entry.content, str) else entry.content)
        path.chmod(entry.mode)
