"""Boxes for tests: `with Rack.open(folder, ws) as rack: box = rack.add("dropbear")`. Needs root and .ci/binfmt."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgebuild.build.emulate import render_cpuinfo
from edgebuild.config.yaml import load_yaml
from edgebuild.model.contract import Contract
from edgebuild.workspace import Workspace
from tests.boxes.layout import Keys, render_busybox, render_common, render_debian, write_layer
from tests.boxes.userland import provide_userland

Kind = Literal["dropbear", "openssh", "engine", "dev"]
USERLAND: dict[Kind, str] = {
    "dropbear": "busybox-arm64",
    "openssh": "debian-arm64",
    "engine": "engine-arm64",
    "dev": "dev-arm64",
}
_LOGIN_SHELL: dict[Kind, str] = {"dropbear": "/usr/libexec/login-shell"}  # else bash
_REPOSITORY = Path(__file__).resolve().parents[2]
_CONTRACT = _REPOSITORY / "edgebuild/contracts/generic-arm64.yaml"
_APART = ("unshare", "--mount", "--propagation", "private")
_PORT = 2222
_READY_S = 60.0
_DISK_BYTES = 256 << 20


@dataclass(frozen=True)
class Answer:
    """How a command on a box ended."""

    code: int
    stdout: str
    stderr: str


@dataclass
class Box:
    """One emulated box. Its disk outlives its power; /run, /tmp, /proc and /dev do not and are not on the disk.

    host_key: the line for a known_hosts file.  client_key: the private key that root's account accepts.
    console: what its first process and its start scripts printed.
    """

    name: str
    kind: Kind
    address: str
    port: int
    host_key: str
    client_key: Path
    known_hosts: Path
    console: Path
    _keeper: subprocess.Popen[str] = field(repr=False)

    def path(self, path: str) -> Path:
        """A place on the box's disk as seen from here; root only. An absolute link in it leads to this machine's."""
        return Path(f"/proc/{self._keeper.pid}/root") / "boot/root" / path.lstrip("/")

    def boot(self) -> None:
        """Returns when the box answers on its SSH port."""
        self._tell("boot")
        deadline = time.monotonic() + _READY_S
        while not self.answers():
            in_time = time.monotonic() < deadline and self.is_on()
            assert in_time, f"{self.name} does not come up:\n{self.console.read_text()[-3000:]}"
            time.sleep(0.02)

    def power_cut(self) -> None:
        """Ends everything on the box in the midst of what it does. What was written stays, synced or not."""
        self._tell("cut")

    on, off = boot, power_cut  # in tests of fleets that is what they mean

    def is_on(self) -> bool:
        """Whether its first process lives. A box that reboots by itself goes from on to on."""
        return self._tell("state") == "on"

    def answers(self) -> bool:
        """Whether an SSH server greets."""
        try:
            with socket.create_connection((self.address, self.port), timeout=5) as probe:
                probe.settimeout(5)
                return probe.recv(4) == b"SSH-"
        except OSError:
            return False

    def ssh_command(self, command: str) -> list[str]:
        options = (
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.known_hosts}",
            "GlobalKnownHostsFile=none",
            "ConnectTimeout=20",
            "LogLevel=ERROR",
        )
        stated = [word for option in options for word in ("-o", option)]
        place = ("-i", str(self.client_key), "-p", str(self.port), f"root@{self.address}")
        return ["ssh", "-F", "none", *stated, *place, command]

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float = 60) -> Answer:
        """A shell command, by OpenSSH's own client. code 255: the connection failed."""
        argv = self.ssh_command(command)
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout_s, check=False)
        return Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def _tell(self, word: str) -> str:
        assert self._keeper.stdin
        self._keeper.stdin.write(f"{word}\n")
        self._keeper.stdin.flush()
        return self._hear()

    def _hear(self) -> str:
        """The keeper's last word: "on" or "off"."""
        assert self._keeper.stdout
        word = self._keeper.stdout.readline().strip()
        assert word in ("on", "off"), f"{self.name}: its keeper failed:\n{self.console.read_text()[-3000:]}"
        return word

    def _end(self) -> None:
        """The keeper ends the box when nobody can talk to it any more."""
        assert self._keeper.stdin and self._keeper.stdout
        self._keeper.stdin.close()
        try:
            self._keeper.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._keeper.pid, signal.SIGKILL)
            self._keeper.wait()
        self._keeper.stdout.close()


@dataclass
class Rack:
    """Several boxes with one client key, each with an address of its own in 127.0.0.0/8.

    folder: for keys and settings, gone or not with the test; boxes' disks are memory.
    """

    folder: Path
    ws: Workspace
    boxes: list[Box] = field(default_factory=list)
    client: Keys = field(default_factory=Keys.generate)
    _net: str = ""

    @staticmethod
    @contextlib.contextmanager
    def open(folder: Path, ws: Workspace) -> Iterator[Rack]:
        """Raises AssertionError where boxes cannot be: not root, or no emulation in other roots."""
        assert os.geteuid() == 0, "boxes are made of mounts and namespaces: run these tests as root"
        argv = ["sh", ".ci/binfmt", "check"]
        emulation = subprocess.run(argv, cwd=_REPOSITORY, capture_output=True, text=True, check=False)
        assert emulation.returncode == 0, emulation.stderr
        folder.mkdir(parents=True, exist_ok=True)
        rack = Rack(folder, ws, _net=f"127.{random.randint(1, 254)}.{random.randint(1, 254)}")
        key = rack.client_key
        key.touch(0o600)
        key.write_bytes(rack.client.private_openssh())
        try:
            yield rack
        finally:
            for box in rack.boxes:
                box._end()

    @property
    def client_key(self) -> Path:
        return self.folder / "client_key"

    def add(self, kind: Kind, name: str = "", *, disk_bytes: int = _DISK_BYTES, boots: bool = True) -> Box:
        """A box that answers, or with boots=False one that is off. disk_bytes: all there is for changes and data."""
        number = len(self.boxes) + 1
        box = self._furnish(kind, name or f"box{number}", f"{self._net}.{number}", disk_bytes)
        self.boxes.append(box)
        box._hear()
        if boots:
            box.boot()
        return box

    def _furnish(self, kind: Kind, name: str, address: str, disk_bytes: int) -> Box:
        host, folder = Keys.generate(), self.folder / name
        folder.mkdir()
        cpu = load_yaml(_CONTRACT, Contract).cpu
        files = render_common(name, _LOGIN_SHELL.get(kind, "/bin/bash"), self.client)
        if kind == "dropbear":
            files |= render_busybox(address, _PORT, cpu.emulated_as, host)
        else:
            files |= render_debian(host)
        write_layer(folder / "layer", files)
        host_key = f"[{address}]:{_PORT} {host.public_line()}"
        (folder / "known_hosts").write_text(f"{host_key}\n")
        plan = {
            "name": name,
            "kind": kind,
            "address": address,
            "port": _PORT,
            "cpu": cpu.emulated_as,
            "cpuinfo": render_cpuinfo(cpu, os.cpu_count() or 1),
            "cgroup": f"edgebuild-{os.getpid()}-{name}",
            "disk_bytes": disk_bytes,
            "layer": str(folder / "layer"),
            "userland": str(provide_userland(USERLAND[kind], self.ws)),
            "console": str(folder / "console.log"),
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        return Box(
            name=name,
            kind=kind,
            address=address,
            port=_PORT,
            host_key=host_key,
            client_key=self.client_key,
            known_hosts=folder / "known_hosts",
            console=folder / "console.log",
            _keeper=_start_keeper(folder),
        )


def _start_keeper(folder: Path) -> subprocess.Popen[str]:
    """In a session of its own, so that Ctrl-C ends the tests, and the tests' end ends the keeper."""
    keeper = str(Path(__file__).with_name("keeper.py"))
    with (folder / "console.log").open("ab") as console:
        return subprocess.Popen(
            [*_APART, sys.executable, "-I", "-S", keeper, str(folder / "plan.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=console,
            text=True,
            start_new_session=True,
        )
