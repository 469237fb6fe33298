"""What apt says becomes downloads; apt itself sees one suite, one architecture and a state of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgebuild import apt
from edgebuild.apt import parse_package_records, parse_source_uris, resolve, source_files
from edgebuild.errors import BuildError, NotAvailable
from edgebuild.mirror import debian_mirror, parse_archives
from edgebuild.model.arch import ARCHES
from edgebuild.model.recipe import Download
from edgebuild.run import Command, Completed
from edgebuild.workspace import Workspace

ARM64 = ARCHES["aarch64"]
INSTALL = """\
'http://mirror.example/debian/pool/main/z/zlib/zlib1g_1.2.11.dfsg-2%2bdeb11u2_arm64.deb' zlib1g_1%3a1.2.11.dfsg-2+deb11u2_arm64.deb 88168 MD5Sum:2aecf91b853a15abd19c15bc177d180e
'http://mirror.example/debian/pool/main/g/glibc/libc6_2.31-13_arm64.deb' libc6_2.31-13_arm64.deb 2455356 MD5Sum:9aefda3dbcdeefba4664c7aff473d5dd
"""  # noqa: E501
RECORDS = f"""\
Package: zlib1g
Version: 1:1.2.11.dfsg-2+deb11u2
Description: compression library
 Filename: not/this/one
Filename: pool/main/z/zlib/zlib1g_1.2.11.dfsg-2+deb11u2_arm64.deb
Size: 88168
SHA256: {"a" * 64}

Package: libc6
Filename: pool/main/g/glibc/libc6_2.31-13_arm64.deb
Size: 2455356
SHA256: {"b" * 64}

"""
SOURCES = f"""\
'http://mirror.example/debian/pool/main/a/acme/acme_2.4%7eds-1.dsc' acme_2.4~ds-1.dsc 2580 SHA256:{"c" * 64}
'http://mirror.example/debian/pool/main/a/acme/acme_2.4%7eds.orig.tar.gz' acme_2.4~ds.orig.tar.gz 9 SHA256:{"d" * 64}
'http://mirror.example/debian/pool/main/a/acme/acme_2.4%7eds.orig.tar.gz.asc' acme_2.4~ds.orig.tar.gz.asc 793 SHA256:{"e" * 64}
'http://mirror.example/debian/pool/main/a/acme/acme_2.4%7eds-1.debian.tar.xz' acme_2.4~ds-1.debian.tar.xz 7 SHA256:{"f" * 64}
"""  # noqa: E501


class FakeApt:
    """Answers by subcommand and keeps what it was asked. problem: what `update` fails with."""

    def __init__(self, problem: str = "") -> None:
        self.problem = problem
        self.commands: list[Command] = []
        self.sources = ""

    def __call__(self, command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
        self.commands.append(command)
        answers = {"update": "", "install": INSTALL, "show": RECORDS, "source": SOURCES}
        subcommand = next(word for word in command.argv if word in answers)
        if subcommand == "update":
            self.sources = Path(self.option("Dir::Etc::sourcelist")).read_text()
            if self.problem:
                raise BuildError(f"apt-get failed (exit 100)\n  | {self.problem}")
        return Completed(0, answers[subcommand])

    def option(self, name: str) -> str:
        return next(word for word in self.commands[0].argv if word.startswith(f"-o{name}=")).split("=", 1)[1]


@pytest.fixture(autouse=True)
def debian_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with apt, the keyring and a configured mirror, whatever this one is."""
    keyring = tmp_path / "keyring.gpg"
    keyring.touch()
    monkeypatch.setattr(apt, "KEYRING", keyring)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv("EDGEBUILD_DEBIAN_MIRROR", "http://mirror.example/debian/")
    debian_mirror.cache_clear()


def test_packages_come_with_the_sha256_of_their_records(ws: Workspace) -> None:
    run = FakeApt()
    assert resolve(["zlib1g"], "bullseye", ARM64, ws=ws, run=run) == [
        Download(
            file="libc6_2.31-13_arm64.deb",
            sha256="b" * 64,
            size_bytes=2455356,
            apt="pool/main/g/glibc/libc6_2.31-13_arm64.deb",
            suite="bullseye",
        ),
        Download(
            file="zlib1g_1.2.11.dfsg-2+deb11u2_arm64.deb",
            sha256="a" * 64,
            size_bytes=88168,
            apt="pool/main/z/zlib/zlib1g_1.2.11.dfsg-2+deb11u2_arm64.deb",
            suite="bullseye",
        ),
    ]
    assert run.commands[-1].argv[-2:] == ("zlib1g=1:1.2.11.dfsg-2+deb11u2", "libc6=2.31-13")


def test_apt_sees_one_signed_suite_and_leaves_no_trace(ws: Workspace) -> None:
    run = FakeApt()
    resolve(["zlib1g"], "bullseye", ARM64, ws=ws, run=run)
    line = f"[arch=arm64 signed-by={apt.KEYRING}] http://mirror.example/debian bullseye main\n"
    assert run.sources == f"deb {line}deb-src {line}"
    assert run.option("APT::Architectures") == "arm64"
    assert run.option("APT::Get::AllowUnauthenticated") == "false"
    assert all(run.option(f"Dir::{name}").startswith(str(ws.cache)) for name in ("State", "State::status", "Cache"))
    assert list((ws.cache / "work").iterdir()) == []


def test_a_source_package_gives_its_upstream_tarball_alone(ws: Workspace) -> None:
    assert source_files("acme", "bookworm", ws=ws, run=FakeApt()) == [
        Download(
            file="acme_2.4~ds.orig.tar.gz",
            sha256="d" * 64,
            size_bytes=9,
            apt="pool/main/a/acme/acme_2.4~ds.orig.tar.gz",
            suite="bookworm",
        )
    ]


def test_what_apt_complains_about_is_told_without_its_noise(ws: Workspace) -> None:
    with pytest.raises(NotAvailable, match=r"^apt cannot answer for 'bullseye': Unable to locate package nosuch$"):
        resolve(["nosuch"], "bullseye", ARM64, ws=ws, run=FakeApt("E: Unable to locate package nosuch"))


def test_a_missing_keyring_names_its_package(ws: Workspace) -> None:
    apt.KEYRING.unlink()
    with pytest.raises(NotAvailable, match="signatures of 'bullseye' cannot be checked") as caught:
        resolve(["zlib1g"], "bullseye", ARM64, ws=ws, run=FakeApt())
    assert "apt-get install debian-archive-keyring" in caught.value.hint


def test_offline_nothing_is_asked(ws: Workspace) -> None:
    run = FakeApt()
    with pytest.raises(NotAvailable, match="--offline forbids"):
        resolve(["zlib1g"], "bullseye", ARM64, ws=replace(ws, offline=True), run=run)
    assert run.commands == []


def test_records_are_sorted_by_file() -> None:
    assert [download.file[:5] for download in parse_package_records(RECORDS, "bullseye")] == ["libc6", "zlib1"]


def test_sources_of_a_security_suite_keep_their_pool() -> None:
    listing = SOURCES.replace("/debian/pool/main", "/debian-security/pool/updates/main")
    assert parse_source_uris(listing, "s")[0].apt == "pool/updates/main/a/acme/acme_2.4~ds.orig.tar.gz"


def test_a_security_suite_lies_beside_the_main_archive() -> None:
    assert debian_mirror("bookworm") == "http://mirror.example/debian"
    assert debian_mirror("bookworm-security") == "http://mirror.example/debian-security"


def test_the_archives_are_those_of_the_hosts_apt(tmp_path: Path) -> None:
    mirrors = tmp_path / "debian.list"
    mirrors.write_text("# near\nhttp://near.example/debian priority:1\nhttp://far.example/debian\n")
    listing = (
        f"Debian\tmirror+file:{mirrors}/\nDebian\thttp://other.example/debian/\n"
        "Debian-Security\thttp://security.example/\nacme\thttp://acme.example/\n"
    )
    archives = parse_archives(listing)
    assert archives["Debian"] == "http://near.example/debian"
    assert archives["Debian-Security"] == "http://security.example"
