"""Ed25519 signatures in OpenSSH's own formats, so that `ssh-keygen -Y verify` can check what edgebuild signs.

Source: OpenSSH, PROTOCOL.sshsig (signatures), PROTOCOL.key (private keys), sshd(8), "AUTHORIZED_KEYS" (public keys).
Checked both ways against ssh-keygen 9.2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import msgspec
import platformdirs
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edgebuild.errors import ConfigError, NotAvailable, VerificationError
from edgebuild.workspace import write_atomic

NAMESPACE = b"edgebuild-release"  # a signature made for something else is not one for a release
_KEY_TYPE = b"ssh-ed25519"
_MAGIC = b"SSHSIG"
_VERSION = 1
_HASHES = (b"sha512", b"sha256")  # the two that the format knows; we write the first
_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----\n", b"-----END SSH SIGNATURE-----\n"
_LINE_CHARS = 70
_MAX_KEY_BYTES = 64 << 10
_REGENERATE = "`edgebuild key generate` makes a key."


class PublicKey(msgspec.Struct, frozen=True):
    """raw: 32 bytes. comment: whatever its line says behind the key."""

    raw: bytes
    comment: str = ""

    @property
    def blob(self) -> bytes:
        return _string(_KEY_TYPE) + _string(self.raw)

    @property
    def id(self) -> str:
        """As `ssh-keygen -l` prints it: "SHA256:..."."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def line(self) -> str:
        """As in authorized_keys, without line end."""
        return f"{_KEY_TYPE.decode()} {base64.b64encode(self.blob).decode()} {self.comment}".rstrip()


class BadSignature(VerificationError):
    """The signature is whole and by a trusted key, but not for these bytes."""


class SigningKey:
    """A private key in memory; never printed."""

    def __init__(self, key: Ed25519PrivateKey, comment: str = "") -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes_raw(), comment)

    def sign(self, message: bytes) -> bytes:
        """An armored signature. Equal keys and messages give equal signatures (RFC 8032)."""
        signature = self._key.sign(_signed_data(message, NAMESPACE, b"", _HASHES[0]))
        fields = (self.public.blob, NAMESPACE, b"", _HASHES[0], _string(_KEY_TYPE) + _string(signature))
        return _armor(_MAGIC + struct.pack(">I", _VERSION) + b"".join(map(_string, fields)))

    def serialize(self) -> bytes:
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )


def default_key_file() -> Path:
    """In the user's own configuration, because one person signs the releases of many projects."""
    return Path(platformdirs.user_config_dir("edgebuild")) / "release_key"


def public_file(key_file: Path) -> Path:
    return key_file.with_name(key_file.name + ".pub")


def generate_key(key_file: Path, *, comment: str) -> SigningKey:
    """A new key in `key_file` (0600) and `.pub` beside it. Raises ConfigError where either name is taken."""
    for path in (key_file, public_file(key_file)):
        if path.exists():
            msg = f"{path}: exists, and a key is never overwritten"
            hint = (
                f"for another project, add {public_file(key_file)}'s line to its trusted_keys; for a new key, --force"
            )
            raise ConfigError(msg, f"{hint} moves the old one aside and --out FILE puts the new one elsewhere.")
    key = SigningKey(Ed25519PrivateKey.generate(), comment)
    key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # O_EXCL: of two processes that generate at once, one fails rather than replaces the other's key.
    with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.serialize())
    write_atomic(public_file(key_file), key.public.line + "\n")
    return key


def set_aside(key_file: Path) -> Path | None:
    """Renames a key and its `.pub`, so that a new one can have the name. Returns the old key's new place, if any."""
    if not (key_file.exists() or public_file(key_file).exists()):
        return None
    places = (key_file.with_name(f"{key_file.name}.old{number}") for number in itertools.count(1))
    place = next(each for each in places if not (each.exists() or public_file(each).exists()))
    for before, after in ((key_file, place), (public_file(key_file), public_file(place))):
        if before.exists():
            before.rename(after)
    return place


def load_key(key_file: Path) -> SigningKey:
    """Raises NotAvailable, ConfigError. As for ssh, a private key that others can read is refused."""
    if not key_file.is_file():
        msg = f"{key_file}: there is no signing key"
        raise NotAvailable(msg, f"{_REGENERATE} --key FILE names another.")
    if (mode := key_file.stat().st_mode & 0o777) & 0o077:
        msg = f"{key_file}: the private key can be read by others (mode {mode:04o})"
        raise ConfigError(msg, f"`chmod 600 {key_file}`")
    try:
        key = serialization.load_ssh_private_key(key_file.read_bytes()[:_MAX_KEY_BYTES], password=None)
    except TypeError as err:
        msg = f"{key_file}: the key has a passphrase, which edgebuild cannot ask for"
        raise ConfigError(msg, "`ssh-keygen -p` takes it off a copy.") from err
    except (ValueError, UnsupportedAlgorithm) as err:
        msg = f"{key_file}: not an OpenSSH private key ({err})"
        raise ConfigError(msg, _REGENERATE) from err
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"{key_file}: not an Ed25519 key"
        raise ConfigError(msg, _REGENERATE)
    return SigningKey(key)


def load_trusted(trusted: Path) -> tuple[PublicKey, ...]:
    """Keys of a trusted_keys file: one OpenSSH public key per line, empty lines and # comments between.

    Raises ConfigError with the line. A file that is not there trusts nobody.
    """
    if not trusted.is_file():
        return ()
    keys = []
    for number, line in enumerate(trusted.read_bytes().splitlines(), start=1):
        if (text := line.strip()) and not text.startswith(b"#"):
            try:
                keys.append(parse_public_key(text))
            except ValueError as err:
                msg = f"{trusted}:{number}: {err}"
                raise ConfigError(msg, "a line is: ssh-ed25519 AAAA... comment") from err
    return tuple(keys)


def trust_key(key: PublicKey, trusted: Path) -> bool:
    """Adds a key to a trusted_keys file, unless it is there already. Returns whether it was added."""
    if key.raw in {each.raw for each in load_trusted(trusted)}:
        return False
    before = trusted.read_bytes() if trusted.is_file() else b"# Public keys whose releases may go to the boxes.\n"
    write_atomic(trusted, before + (b"" if before.endswith(b"\n") or not before else b"\n") + f"{key.line}\n".encode())
    return True


def parse_public_key(line: bytes) -> PublicKey:
    """From "ssh-ed25519 BASE64 comment". Raises ValueError that says why not."""
    kind, _, rest = line.partition(b" ")
    if kind != _KEY_TYPE:
        msg = f"not an ssh-ed25519 public key: '{line[:30].decode(errors='replace')}'"
        raise ValueError(msg)
    encoded, _, comment = rest.strip().partition(b" ")
    return msgspec.structs.replace(
        _parse_blob(base64.b64decode(encoded, validate=True)), comment=comment.decode(errors="replace").strip()
    )


def verify(message: bytes, signature: bytes, trusted: Sequence[PublicKey], *, what: str) -> PublicKey:
    """The trusted key that signed the message. what: the signature's file, for messages.

    Raises VerificationError; BadSignature where a trusted key signed something else than the message.
    """
    try:
        key, namespace, reserved, algorithm, raw = _parse(signature)
    except ValueError as err:
        msg = f"{what}: damaged signature ({err})"
        raise VerificationError(msg, "release again, or fetch the release again.") from err
    if namespace != NAMESPACE:
        made_for = namespace.decode(errors="replace")
        msg = f"{what}: a signature for '{made_for}', not for '{NAMESPACE.decode()}'"
        raise VerificationError(msg)
    signer = next((each for each in trusted if each.raw == key.raw), None)
    if signer is None:
        msg = f"{what}: signed by {key.id}, which is not a trusted key ({len(trusted)} are)"
        raise VerificationError(msg, f"if you know whose key that is, add this line to trusted_keys: {key.line}")
    try:
        data = _signed_data(message, namespace, reserved, algorithm)
        Ed25519PublicKey.from_public_bytes(key.raw).verify(raw, data)
    except (InvalidSignature, ValueError) as err:
        msg = f"{what}: bad signature: {signer.id} did not sign what lies here; one of the two was changed"
        raise BadSignature(msg, "fetch the release again, from where it was made.") from err
    return signer


def _signed_data(message: bytes, namespace: bytes, reserved: bytes, algorithm: bytes) -> bytes:
    digest = hashlib.new(algorithm.decode(), message).digest()
    return _MAGIC + b"".join(map(_string, (namespace, reserved, algorithm, digest)))


def _parse(armored: bytes) -> tuple[PublicKey, bytes, bytes, bytes, bytes]:
    """(key, namespace, reserved, hash algorithm, 64 bytes of signature). Raises ValueError."""
    if not (armored.startswith(_BEGIN) and armored.endswith(_END)):
        msg = "not an OpenSSH signature"
        raise ValueError(msg)
    blob = binascii.a2b_base64(armored[len(_BEGIN) : -len(_END)])
    if _armor(blob) != armored:  # base64 has many spellings of the same bytes; only one is a signature
        msg = "its text is not as ssh-keygen writes it"
        raise ValueError(msg)
    if blob[:10] != _MAGIC + struct.pack(">I", _VERSION):
        msg = "unknown version of the format"
        raise ValueError(msg)
    public, namespace, reserved, algorithm, signature = _take_strings(blob[10:], 5)
    if algorithm not in _HASHES:
        msg = f"unknown hash '{algorithm.decode(errors='replace')}'"
        raise ValueError(msg)
    kind, raw = _take_strings(signature, 2)
    if kind != _KEY_TYPE:
        msg = f"made by a key of type '{kind.decode(errors='replace')}', not {_KEY_TYPE.decode()}"
        raise ValueError(msg)
    return _parse_blob(public), namespace, reserved, algorithm, raw


def _parse_blob(blob: bytes) -> PublicKey:
    kind, raw = _take_strings(blob, 2)
    if kind != _KEY_TYPE or len(raw) != 32:
        msg = f"not an {_KEY_TYPE.decode()} key"
        raise ValueError(msg)
    return PublicKey(raw)


def _armor(blob: bytes) -> bytes:
    text = base64.b64encode(blob)
    lines = (text[start : start + _LINE_CHARS] + b"\n" for start in range(0, len(text), _LINE_CHARS))
    return _BEGIN + b"".join(lines) + _END


def _string(value: bytes) -> bytes:
    """Length-prefixed. Source: RFC 4251, section 5."""
    return struct.pack(">I", len(value)) + value


def _take_strings(data: bytes, count: int) -> list[bytes]:
    """Exactly `count` strings and nothing behind them. Raises ValueError."""
    taken = []
    for _ in range(count):
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length or len(data) < 4:
            msg = "truncated"
            raise ValueError(msg)
        taken.append(data[4 : 4 + length])
        data = data[4 + length :]
    if data:
        msg = "bytes behind its end"
        raise ValueError(msg)
    return taken
