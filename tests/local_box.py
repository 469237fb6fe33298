"""A folder of this machine as a box: the box program runs for real, under its own idea of /etc, and its power can be cut."""

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

PROGRAM = Path(__file__).resolve().parents[1] / "edgebuild" / "deploy" / "box.sh"
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
            "ARCHIVE_SHA256": hashlib.sha256(archive).hexdigest(),
            "TOP": TOP,
            "UNPACKED_KB": "8",
            "HEALTH_TIMEOUT_S": "10",
            "HEALTH_FOR_S": "0",
            "STOP_S": "3",
            **self.facts,
        }
        members = {
            "facts": "".join(f"{key}='{value}'\n" for key, value in facts.items()).encode(),
            "files": "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in self.tree().items()).encode(),
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
        shutil.copy(PROGRAM, self.home / "box.sh")

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

    def processes(self) -> list[int]:
        """Everything that was started on this box, and only that: by a variable in its environment."""
        marker = f"EDGEBUILD_ROOT={self.root}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if marker in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def cut_power(self) -> None:
        """Every process, until none is left. Whoever starts others meanwhile is found the next time round."""
        deadline = time.monotonic() + 20
        while alive := self.processes():
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline, alive
            time.sleep(0.01)

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
        there = {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
        assert there == release.tree()


@contextlib.contextmanager
def local_box(root: Path, shell: str = "sh", tools: Path | None = None) -> Iterator[LocalBox]:
    box = LocalBox(root, shell, tools)
    box.push_program()
    try:
        yield box
    finally:
        box.cut_power()
