"""known_hosts is read as ssh reads it, and every refusal says how to go on."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from paramiko.hostkeys import HostKeys

from edgebuild.deploy.known_hosts import HostKey, KnownHosts, host_name, host_names
from edgebuild.errors import VerificationError

ONE, TWO = (HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes([n]) * 32) for n in (1, 2))
RSA = HostKey("ssh-rsa", b"rsa")
NAME = "[hub]:20117"


def known(tmp_path: Path, *lines: str) -> KnownHosts:
    file = tmp_path / "known_hosts"
    file.write_text("".join(lines))
    return KnownHosts((file,))


def refusal(hosts: KnownHosts, key: HostKey, name: str = NAME) -> str:
    with pytest.raises(VerificationError) as caught:
        hosts.check((name,), key, accept_with="adopt")
    return f"{caught.value.message} {caught.value.hint}"


def test_a_known_key_passes(tmp_path: Path) -> None:
    known(tmp_path, "# comment\n", RSA.line(NAME), TWO.line(f"other,{NAME}"), ONE.line(NAME)).check(
        (NAME,), ONE, accept_with=""
    )


def test_an_unknown_key_is_refused_with_its_fingerprint_and_the_way(tmp_path: Path) -> None:
    text = refusal(known(tmp_path, ONE.line("hub")), ONE)
    assert "not known" in text and "ssh-ed25519" in text and ONE.fingerprint in text and "`adopt`" in text


def test_no_file_knows_nobody(tmp_path: Path) -> None:
    assert "not known" in refusal(KnownHosts((tmp_path / "none",)), ONE)


def test_a_changed_key_is_its_own_message_with_both_fingerprints_and_the_line(tmp_path: Path) -> None:
    hosts = known(tmp_path, RSA.line("x"), RSA.line(NAME), ONE.line(NAME))
    text = refusal(hosts, TWO)
    assert "CHANGED" in text and f"{hosts.files[0]}:3" in text
    assert ONE.fingerprint in text and TWO.fingerprint in text and f"ssh-keygen -R '{NAME}'" in text


def test_a_revoked_key_is_refused_even_where_it_is_known(tmp_path: Path) -> None:
    assert "revoked" in refusal(known(tmp_path, ONE.line(NAME), "@revoked " + ONE.line("*")), ONE)


def test_an_authority_is_not_a_host_s_key(tmp_path: Path) -> None:
    assert "not known" in refusal(known(tmp_path, "@cert-authority " + ONE.line(NAME)), ONE)


def test_hashed_names_and_patterns_are_understood(tmp_path: Path) -> None:
    hosts = known(tmp_path, ONE.line(HostKeys.hash_host(NAME)), TWO.line("*.lab,!bad.lab"))
    hosts.check((NAME,), ONE, accept_with="")
    hosts.check(("a.lab",), TWO, accept_with="")
    assert "not known" in refusal(hosts, TWO, "bad.lab")
    assert "not known" in refusal(hosts, ONE, "[hub]:20118")


@pytest.mark.parametrize(
    "line", ["x\n", "a b\n", "hub ssh-ed25519 ???\n", "|1|a|b ssh-rsa AAAA\n", "@revoked\n", "\0\xff\n"]
)
def test_damaged_lines_are_nobody_s(tmp_path: Path, line: str) -> None:
    known(tmp_path, line, ONE.line(NAME)).check((NAME,), ONE, accept_with="")


def test_the_box_is_asked_for_the_key_that_is_known(tmp_path: Path) -> None:
    assert known(tmp_path, RSA.line(NAME)).algorithms((NAME,)) == ("rsa-sha2-512", "rsa-sha2-256")


def test_added_keys_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "new" / "known_hosts"
    hosts = KnownHosts((file,))
    hosts.add(NAME, ONE)
    file.write_text(file.read_text().rstrip("\n"))  # as an editor may leave it
    hosts.add("hub", TWO)
    hosts.check((NAME,), ONE, accept_with="")
    hosts.check(("hub",), TWO, accept_with="")
    assert file.stat().st_mode & 0o777 == 0o600


def test_fingerprints_are_those_of_ssh_keygen() -> None:
    """The pair is what `ssh-keygen -l` of OpenSSH 9.2 said of a throw-away key."""
    key = HostKey(
        "ssh-ed25519", base64.b64decode("AAAAC3NzaC1lZDI1NTE5AAAAIJIolYpcGhruBMbSSue1esuin3uVXNwwj+DrB75fF+ul")
    )
    assert key.fingerprint == "SHA256:1HSRr4/s2fhSXhPkSCEutUxRnnGrjsd5MDnA69XZAlU"


def test_only_the_usual_port_has_no_port_in_its_name() -> None:
    assert (host_name("hub", 22), host_name("hub", 20117)) == ("hub", NAME)


def test_boxes_of_one_address_behind_two_jump_hosts_have_names_of_their_own(tmp_path: Path) -> None:
    here, there = (host_names("192.168.1.10", 22, host_names(hub, 2222)) for hub in ("hub", "other"))
    assert here == ("192.168.1.10@[hub]:2222", "192.168.1.10")
    hosts = known(tmp_path, ONE.line(here[0]), TWO.line(there[0]))
    hosts.check(here, ONE, accept_with="")
    hosts.check(there, TWO, accept_with="")
    with pytest.raises(VerificationError, match="CHANGED"):
        hosts.check(here, TWO, accept_with="")


def test_what_ssh_accepted_behind_a_jump_host_counts_until_the_box_has_a_key_of_its_own(tmp_path: Path) -> None:
    names = host_names("192.168.1.10", 22, ("hub",))
    hosts = known(tmp_path, ONE.line("192.168.1.10"))
    hosts.check(names, ONE, accept_with="")
    assert hosts.algorithms(names) == ("ssh-ed25519",)
    with pytest.raises(VerificationError, match="not known"):  # another site's, so it proves no change
        hosts.check(names, TWO, accept_with="")
    hosts.add(names[0], TWO)
    hosts.check(names, TWO, accept_with="")
    with pytest.raises(VerificationError, match="CHANGED"):
        hosts.check(names, ONE, accept_with="")
    hosts.files[0].write_text(ONE.line("192.168.1.10") + "@revoked " + ONE.line("192.168.1.10"))
    with pytest.raises(VerificationError, match="revoked"):
        hosts.check(names, ONE, accept_with="")


def test_names_are_hashed_in_small_letters_as_ssh_does(tmp_path: Path) -> None:
    known(tmp_path, ONE.line(HostKeys.hash_host("hub"))).check((host_name("Hub", 22),), ONE, accept_with="")
