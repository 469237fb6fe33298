"""Signatures are OpenSSH's: ssh-keygen checks ours, we check its; anything else than the signed bytes is refused."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebuild.errors import ConfigError, EdgebuildError, NotAvailable, VerificationError
from edgebuild.package.sign import (
    BadSignature,
    generate_key,
    load_key,
    load_trusted,
    parse_public_key,
    public_file,
    trust_key,
    verify,
)
from tests.releases import signing_key

MESSAGE = b'{"schema": "edgebuild.release/1"}\n'
NAMESPACE = "edgebuild-release"
KEY = signing_key(1)


def keygen(*args: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ssh-keygen", *map(str, args)], input=stdin, capture_output=True, check=False, timeout=20)


def test_ssh_keygen_verifies_what_we_sign(tmp_path: Path) -> None:
    (tmp_path / "signature").write_bytes(KEY.sign(MESSAGE))
    (tmp_path / "allowed").write_text(f"release {KEY.public.line}\n")
    asked = ("-Y", "verify", "-f", tmp_path / "allowed", "-I", "release", "-s", tmp_path / "signature")
    assert keygen(*asked, "-n", NAMESPACE, stdin=MESSAGE).returncode == 0
    assert keygen(*asked, "-n", NAMESPACE, stdin=MESSAGE + b" ").returncode != 0
    assert keygen(*asked, "-n", "file", stdin=MESSAGE).returncode != 0


@pytest.mark.parametrize("algorithm", ["sha512", "sha256"])
def test_we_verify_what_ssh_keygen_signs_with_our_key(algorithm: str, tmp_path: Path) -> None:
    key = generate_key(tmp_path / "key", comment="me")
    signed = keygen("-Y", "sign", "-f", tmp_path / "key", "-n", NAMESPACE, "-O", f"hashalg={algorithm}", stdin=MESSAGE)
    assert verify(MESSAGE, signed.stdout, (key.public,), what="x.sig").raw == key.public.raw
    if algorithm == "sha512":
        assert signed.stdout == key.sign(MESSAGE)


def test_we_load_and_name_keys_as_ssh_keygen_does(tmp_path: Path) -> None:
    assert keygen("-q", "-t", "ed25519", "-N", "", "-C", "by hand", "-f", tmp_path / "key").returncode == 0
    public = parse_public_key((tmp_path / "key.pub").read_bytes())
    assert load_key(tmp_path / "key").public.raw == public.raw
    assert (public.comment, public.line) == ("by hand", (tmp_path / "key.pub").read_text().strip())
    assert public.id in keygen("-l", "-f", tmp_path / "key.pub").stdout.decode()


def test_a_generated_key_is_private_whole_and_never_overwritten(tmp_path: Path) -> None:
    place = tmp_path / "config" / "key"
    key = generate_key(place, comment="me")
    before = place.read_bytes()
    assert (place.stat().st_mode & 0o777, load_key(place).public.raw) == (0o600, key.public.raw)
    assert public_file(place).read_text() == f"{key.public.line}\n"
    with pytest.raises(ConfigError, match="never overwritten"):
        generate_key(place, comment="me")
    place.rename(tmp_path / "aside")
    with pytest.raises(ConfigError, match=r"key\.pub: exists"):
        generate_key(place, comment="me")
    assert (tmp_path / "aside").read_bytes() == before


def test_equal_messages_have_equal_signatures_and_every_changed_byte_is_refused() -> None:
    signature = KEY.sign(MESSAGE)
    assert signature == signing_key(1).sign(MESSAGE)
    assert verify(MESSAGE, signature, (KEY.public,), what="x.sig") == KEY.public
    for position in range(len(signature)):
        for flip in (0x01, 0x20, 0x80):
            spoilt = bytearray(signature)
            spoilt[position] ^= flip
            with pytest.raises(VerificationError, match=r"^x\.sig: "):
                verify(MESSAGE, bytes(spoilt), (KEY.public,), what="x.sig")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: b"", "not an OpenSSH signature"),
        (lambda text: text[:-30] + text[-29:], "damaged signature"),
        (lambda text: text[:200] + text[-28:], "damaged signature"),
        (lambda text: text + b"\n", "not an OpenSSH signature"),
        (lambda text: text.replace(b"\n", b"\r\n"), "not an OpenSSH signature"),
    ],
)
def test_a_damaged_signature_is_called_so(spoil: Callable[[bytes], bytes], message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        verify(MESSAGE, spoil(KEY.sign(MESSAGE)), (KEY.public,), what="x.sig")


def rearmored(blob: bytes) -> bytes:
    """A text as ssh-keygen would write it, around any bytes."""
    text = base64.b64encode(blob)
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    return b"\n".join((b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----", b""))


def test_bytes_behind_a_signature_or_a_key_are_refused(tmp_path: Path) -> None:
    blob = base64.b64decode(b"".join(KEY.sign(MESSAGE).splitlines()[1:-1]))
    assert rearmored(blob) == KEY.sign(MESSAGE)
    with pytest.raises(VerificationError, match="bytes behind its end"):
        verify(MESSAGE, rearmored(blob + b"x"), (KEY.public,), what="x.sig")
    (tmp_path / "trusted_keys").write_text(f"ssh-ed25519 {base64.b64encode(KEY.public.blob + b'x').decode()}\n")
    with pytest.raises(ConfigError, match="bytes behind its end"):
        load_trusted(tmp_path / "trusted_keys")


def test_another_message_another_key_and_another_purpose_have_their_own_words(tmp_path: Path) -> None:
    signature = KEY.sign(MESSAGE)
    with pytest.raises(BadSignature, match="bad signature: SHA256:"):
        verify(MESSAGE + b" ", signature, (KEY.public,), what="x.sig")
    with pytest.raises(VerificationError, match=r"signed by SHA256:.*not a trusted key \(1 are\)") as unknown:
        verify(MESSAGE, signature, (signing_key(2).public,), what="x.sig")
    assert KEY.public.line.rpartition(" seed")[0] in unknown.value.hint
    generate_key(tmp_path / "key", comment="")
    other = keygen("-Y", "sign", "-f", tmp_path / "key", "-n", "git", stdin=MESSAGE).stdout
    with pytest.raises(VerificationError, match="a signature for 'git', not for 'edgebuild-release'"):
        verify(MESSAGE, other, (load_key(tmp_path / "key").public,), what="x.sig")


def test_trusted_keys_grow_by_one_line_and_keep_what_people_wrote(tmp_path: Path) -> None:
    trusted = tmp_path / "trusted_keys"
    assert load_trusted(trusted) == ()
    assert trust_key(KEY.public, trusted)
    assert not trust_key(KEY.public, trusted)
    trusted.write_text(f"# ours\n\n{KEY.public.line} and a note")  # no line end
    assert trust_key(signing_key(2).public, trusted)
    assert trusted.read_text() == f"# ours\n\n{KEY.public.line} and a note\n{signing_key(2).public.line}\n"
    assert [key.comment for key in load_trusted(trusted)] == ["seed 1 and a note", "seed 2"]


@pytest.mark.parametrize(
    "line",
    ["nonsense", "ssh-rsa AAAA", "ssh-ed25519", "ssh-ed25519 !!!!", "ssh-ed25519 AAAA", KEY.public.line[:40], "\xff"],
)
def test_a_line_that_is_no_key_is_named_with_its_number(line: str, tmp_path: Path) -> None:
    (tmp_path / "trusted_keys").write_text(f"# ours\n{line}\n")
    with pytest.raises(ConfigError, match=r"trusted_keys:2: "):
        load_trusted(tmp_path / "trusted_keys")


def make_passphrase_key(place: Path) -> None:
    keygen("-q", "-t", "ed25519", "-N", "secret", "-f", place)


def make_other_kind(place: Path) -> None:
    keygen("-q", "-t", "ecdsa", "-N", "", "-f", place)


def make_garbage(place: Path) -> None:
    place.write_bytes(b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n")
    place.chmod(0o600)


def make_public_to_all(place: Path) -> None:
    generate_key(place, comment="")
    place.chmod(0o644)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda place: None, NotAvailable, "there is no signing key"),
        (make_passphrase_key, ConfigError, "passphrase"),
        (make_other_kind, ConfigError, "not an Ed25519 key"),
        (make_garbage, ConfigError, "not an OpenSSH private key"),
        (make_public_to_all, ConfigError, "can be read by others"),
    ],
)
def test_a_key_that_cannot_sign_says_why(
    make: Callable[[Path], None], kind: type[EdgebuildError], message: str, tmp_path: Path
) -> None:
    make(tmp_path / "key")
    with pytest.raises(kind, match=message):
        load_key(tmp_path / "key")
