"""What a Debian suite has, asked through the host's own apt with a state of its own: no root, signatures checked.

Nothing is downloaded but the indexes, and nothing is configured or run: apt resolves, `fetch` fetches.
"""

from __future__ import annotations

import re
import shutil
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgebuild.errors import BuildError, NotAvailable
from edgebuild.mirror import debian_mirror
from edgebuild.model.arch import Arch, host_arch
from edgebuild.model.recipe import Download
from edgebuild.run import Command, Runner
from edgebuild.workspace import Workspace

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TIMEOUT_S = 300
_URI_LINE = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+)(?: SHA256:(?P<sha256>[0-9a-f]{64}))?")


def resolve(packages: Sequence[str], suite: str, arch: Arch, *, ws: Workspace, run: Runner) -> list[Download]:
    """Packages with everything they depend on, as the suite has them now, in order of file name.

    Recommends are left out. Raises NotAvailable when apt, the keyring, the mirror or a package is missing.
    """
    with _isolated_apt(suite, arch, ws=ws, run=run) as options:
        listing = _ask(run, "apt-get", *options, "-y", "-qq", "--print-uris", "install", *packages, suite=suite)
        wanted = [_name_and_version(match["file"]) for match in _uri_lines(listing)]
        records = _ask(run, "apt-cache", *options, "show", *(f"{n}={v}" for n, v in wanted), suite=suite)
    downloads = parse_package_records(records, suite)
    assert len(downloads) == len(wanted), (wanted, downloads)
    return downloads


def source_files(name: str, suite: str, *, ws: Workspace, run: Runner) -> list[Download]:
    """The upstream tarballs (`.orig`) of a source package, as the suite has it now."""
    with _isolated_apt(suite, host_arch(), ws=ws, run=run) as options:
        listing = _ask(run, "apt-get", *options, "-qq", "--print-uris", "--download-only", "source", name, suite=suite)
    return parse_source_uris(listing, suite)


def parse_package_records(records: str, suite: str) -> list[Download]:
    """Downloads of what `apt-cache show` prints: one paragraph of "Field: value" lines per package."""
    downloads = []
    for paragraph in records.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        downloads.append(
            Download(
                file=fields["Filename"].rsplit("/", 1)[1],
                sha256=fields["SHA256"],
                size_bytes=int(fields["Size"]),
                apt=fields["Filename"],
                suite=suite,
            )
        )
    return sorted(downloads, key=lambda download: download.file)


def parse_source_uris(listing: str, suite: str) -> list[Download]:
    """Downloads of the .orig tarballs among what `apt-get --print-uris source` prints."""
    return [
        Download(
            file=match["file"],
            sha256=match["sha256"],
            size_bytes=int(match["size"]),
            apt="pool/" + urllib.parse.unquote(match["uri"]).split("/pool/", 1)[1],
            suite=suite,
        )
        for match in _uri_lines(listing)
        if ".orig" in match["file"] and not match["file"].endswith(".asc")
    ]


def _uri_lines(listing: str) -> list[re.Match[str]]:
    return [match for line in listing.splitlines() if (match := _URI_LINE.match(line))]


def _name_and_version(file: str) -> tuple[str, str]:
    """("zlib1g", "1:1.2.11") of apt's "zlib1g_1%3a1.2.11_arm64.deb"."""
    name, version, _ = urllib.parse.unquote(file).split("_", 2)
    return name, version


@contextmanager
def _isolated_apt(suite: str, arch: Arch, *, ws: Workspace, run: Runner) -> Iterator[tuple[str, ...]]:
    """Options that make apt see one suite and one architecture, with fresh indexes and nothing installed."""
    _require_apt(suite, ws)
    with ws.scratch("apt") as state:
        for folder in ("lists/partial", "archives/partial"):
            (state / folder).mkdir(parents=True)
        (state / "status").touch()
        source = f"[arch={arch.debian} signed-by={KEYRING}] {debian_mirror(suite)} {suite} main\n"
        (state / "sources.list").write_text(f"deb {source}deb-src {source}")
        options = tuple(f"-o{name}={value}" for name, value in _settings(state, arch).items())
        _ask(run, "apt-get", *options, "-qq", "update", suite=suite)
        yield options


def _settings(state: Path, arch: Arch) -> dict[str, str]:
    return {
        "Dir::State": f"{state}",
        "Dir::State::lists": f"{state}/lists",
        "Dir::State::status": f"{state}/status",
        "Dir::Cache": f"{state}",
        "Dir::Etc::sourcelist": f"{state}/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Architecture": arch.debian,
        "APT::Architectures": arch.debian,
        "APT::Install-Recommends": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "APT::Sandbox::User": "",  # the state is the caller's own, so apt must not become _apt
        "APT::Update::Error-Mode": "any",  # a failed index is an error, not a warning (apt >= 2.1.12)
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Debug::NoLocking": "true",  # the locks are for the system's state, which is not used
    }


def _require_apt(suite: str, ws: Workspace) -> None:
    if ws.offline:
        msg = f"the packages of '{suite}' cannot be looked up: --offline forbids asking the mirror"
        raise NotAvailable(msg, "run without --offline; a lock that exists needs no looking up.")
    if not shutil.which("apt-get"):
        msg = f"this machine has no apt, which the packages of '{suite}' are looked up with"
        raise NotAvailable(msg, "make the lock on a Debian or Ubuntu machine; it holds everywhere.")
    if not KEYRING.is_file():
        msg = f"{KEYRING}: missing, so the signatures of '{suite}' cannot be checked"
        raise NotAvailable(msg, "`apt-get install debian-archive-keyring`.")


def _ask(run: Runner, *argv: str, suite: str) -> str:
    try:
        # The wording is parsed, so it must not be translated.
        return run(Command(*argv, env={"LC_ALL": "C.UTF-8"}, timeout_s=_TIMEOUT_S)).stdout
    except BuildError as err:
        problems = re.findall(r"^[EW]: .*", err.message.replace("  | ", ""), re.MULTILINE) or [err.message]
        msg = f"apt cannot answer for '{suite}': {'; '.join(problem[3:] for problem in problems)}"
        raise NotAvailable(msg, "check the package names, the network and the mirror.") from err
