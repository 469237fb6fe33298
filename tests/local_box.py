"""A folder of this machine as a box: the box program runs for real, with an /etc of its own; its power can be cut."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgebuild.deploy.program import program

TOP = "app-1"

# Says its name again and again; well is who says so.
RUN = 'while :; do echo "$(cat "$APP/version")" >"$RUN/status"; sleep 0.2; done\n'
HEALTH = 'grep -qx "$(cat "$APP/version")" "$RUN/status" && echo "well: $(cat "$RUN/status")"\n'


@dataclass(frozen=True)
class LocalRelease:
    """What `receive` is sent. members: the archive's, name -> content; a str is a link's target."""

    id: str
    run: str = RUN
    health: str = HEALTH
    facts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[tuple[tarfile.TarInfo, bytes], ...] = ()  # members that nobody announced
    archive: bytes | None = None

    def tree(self) -> dict[str, bytes]:
        return {"version": f"{self.id}\n".encode(), "lib/a file": b"blanks\n", **self.files}

    def packed(self) -> bytes:
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file, tarfile.open(fileobj=file, mode="w") as archive:
            for folder in {"", *(f"/{Path(name).parent}" for name in self.tree() if "/" in name)}:
                add(archive, TOP + folder, kind=tarfile.DIRTYPE)
            for name, content in self.tree().items():
                add(archive, f"{TOP}/{name}", content)
            for name, target in self.links.items():
                add(archive, f"{TOP}/{name}", kind=tarfile.SYMTYPE, target=target)
            for info, content in self.extra:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return packed.getvalue()

    def stream(self) -> bytes:
        archive = self.packed() if self.archive is None else self.archive
        facts = {
            "FORMAT": "tarball",
            "NAME": "app",
            "ARCHIVE_SHA256": digest(archive),
            "TOP": TOP,
            "UNPACKED_KB": "8",
            "HEALTH_TIMEOUT_S": "10",
            "HEALTH_FOR_S": "0",
            "STOP_S": "3",
            **self.facts,
        }
        members = {
            "facts": "".join(f"{key}='{value}'\n" for key, value in facts.items()).encode(),
            "files": "".join(f"{digest(data)}  {name}\n" for name, data in self.tree().items()).encode(),
            "links": "".join(f"{name}\t{target}\n" for name, target in self.links.items()).encode(),
            "run": self.run.encode(),
            "health": self.health.encode(),
            "archive": archive,
        }
        whole = io.BytesIO()
        with tarfile.open(fileobj=whole, mode="w") as stream:
            for name, content in members.items():
                add(stream, name, content)
        return whole.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def add(
    archive: tarfile.TarFile, name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, target: str = ""
) -> None:
    info = member(name, kind=kind, target=target)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def member(name: str, *, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, 0o755
    return info


@dataclass(frozen=True)
class Answer:
    code: int
    values: dict[str, str]
    said: str

    def succeed(self) -> Answer:
        assert self.code == 0, f"exit {self.code}: {self.said}"
        return self


class LocalBox:
    """One application's home on a box with plain init. tools: folder of programs that come before the machine's."""

    def __init__(self, root: Path, shell: str = "sh", tools: Path | None = None) -> None:
        self.root = root
        self.home = root / "data disk" / "app"
        self.init = root / "etc" / "init.d"
        self.shell = shell
        own = root / "bin"
        own.mkdir(parents=True)
        self.init.mkdir(parents=True)
        interpreter = shutil.which(shell)
        assert interpreter, f"{shell} is not on this machine"
        (own / "sh").symlink_to(interpreter)
        path = [str(own), *([str(tools)] if tools else []), os.environ["PATH"]]
        self.environment = {"PATH": ":".join(path), "EDGEBUILD_ROOT": str(root)}

    def push_program(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "box.sh").write_bytes(program())

    def begin(self, verb: str, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["sh", self.home / "box.sh", verb, self.home, *words],
            executable=self.root / "bin" / "sh",
            env=self.environment | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def call(self, verb: str, *words: str, stdin: bytes = b"", **environment: str) -> Answer:
        process = self.begin(verb, *words, **environment)
        out, said = process.communicate(stdin, timeout=120)
        values = dict(line.split("=", 1) for line in out.decode().splitlines())
        return Answer(process.returncode, values, said.decode())

    def receive(self, release: LocalRelease, *words: str, **environment: str) -> Answer:
        return self.call("receive", release.id, *words, stdin=release.stream(), **environment)

    def deploy(self, release: LocalRelease) -> Answer:
        self.receive(release).succeed()
        return self.call("activate", release.id)

    def boot(self) -> None:
        """What init does: its scripts, in order."""
        for script in sorted(self.init.glob("S??*")):
            subprocess.run([script, "start"], env=self.environment, check=True, timeout=30)

    def processes(self, marker: str = "") -> list[int]:
        """Everything that was started on this box, and only that: by variables in its environment."""
        markers = {word.encode() for word in (f"EDGEBUILD_ROOT={self.root}", marker) if word}
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if markers <= set((folder / "environ").read_bytes().split(b"\0")):
                    found.append(int(folder.name))
        return found

    def programs(self) -> set[int]:
        """Sessions in which a release's program runs: one per program."""
        found = set()
        for pid in self.processes(f"STATE={self.home}/state"):
            with contextlib.suppress(OSError):
                if b"/meta/run\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.add(os.getsid(pid))
        return found

    def kill(self, *, programs: bool) -> None:
        """Every process, until none is left. Whoever starts others meanwhile is found the next time round.

        programs: whether the deployed ones, too.
        """
        deadline = time.monotonic() + 20
        while alive := set(self.processes()) - (set() if programs else self._of_programs()):
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline, alive
            time.sleep(0.01)

    def cut_power(self) -> None:
        self.kill(programs=True)

    def _of_programs(self) -> set[int]:
        programs, found = self.programs(), set()
        for pid in self.processes():
            with contextlib.suppress(OSError):
                if os.getsid(pid) in programs:
                    found.add(pid)
        return found

    def current(self) -> str:
        link = self.home / "current"
        return link.readlink().name if link.is_symlink() else ""

    def beats(self, *versions: str, within_s: float = 20) -> str:
        """The version that the program says, after it was silenced once."""
        status = self.home / "run" / "status"
        status.unlink(missing_ok=True)
        deadline = time.monotonic() + within_s
        seen = ""
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                seen = status.read_text().strip()
            if seen in versions:
                return seen
            time.sleep(0.05)
        raise AssertionError(f"says {seen!r}, not one of {versions}\n{self.log('deploy.log')}\n{self.log('app.log')}")

    def log(self, name: str) -> str:
        path = self.home / "log" / name
        return path.read_text()[-3000:] if path.exists() else f"no {name}"

    def assert_whole(self, release: LocalRelease) -> None:
        """Each file of the release, its content, and nothing else."""
        tree = self.home / "releases" / release.id / "tree"
        there = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*") if not path.is_dir()}
        assert {name: str(path.readlink()) for name, path in there.items() if path.is_symlink()} == release.links
        assert {name: path.read_bytes() for name, path in there.items() if not path.is_symlink()} == release.tree()


def quick_tools(folder: Path) -> Path:
    """Programs with which seconds pass in tenths, and nothing waits for this machine's disk."""
    tools = folder / "tools"
    tools.mkdir()
    for name, text in {"sleep": "exec /bin/sleep 0.1", "sync": "exit 0"}.items():
        write_program(tools / name, text)
    return tools


def write_program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@contextlib.contextmanager
def local_box(root: Path, shell: str = "sh", tools: Path | None = None) -> Iterator[LocalBox]:
    box = LocalBox(root, shell, tools)
    box.push_program()
    try:
        yield box
    finally:
        box.cut_power()
