"""Keeps one box: its disk, its power, and nothing that outlives it. Run as root in a mount namespace of its own:
`unshare --mount --propagation private keeper.py PLAN`.

A line "boot", "cut" or "state" on stdin is answered by a line "on" or "off". The end of stdin, thus of the tests, ends
the box; the disk and all mounts go with this process, because the kernel drops a namespace that nobody is in. Standard
library only: it is started once per box.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

# Hidden by the box's disk in this namespace: a folder that exists, belongs to root (sshd insists), and in which
# nobody has a cache or temporary files.
DISK = Path("/boot")
ROOT = DISK / "root"
END_S = 20
# The box ends with unshare, and unshare with us, even if we are killed.
APART = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--ipc", "--uts", "--propagation", "private", "--fork", "--kill-child"),
)


def main() -> None:
    plan_file = sys.argv[1]
    plan = json.loads(Path(plan_file).read_text())
    make_disk(plan)
    power = Power(plan_file, plan)
    print(power.state(), flush=True)
    while True:
        ready, _, _ = select.select([0, *power.ends()], [], [])
        if set(ready) - {0}:
            power.after_end()
        if 0 in ready:
            # One question at a time, so what is there is a line.
            match os.read(0, 100).decode().strip():
                case "boot":
                    power.boot()
                case "cut":
                    power.cut()
                case "":
                    power.cut()
                    return
            print(power.state(), flush=True)


def make_disk(plan: dict[str, str]) -> None:
    """A disk of the size asked for, and on it what differs from the distribution and the box's settings."""
    run("mount", "-t", "tmpfs", "-o", f"mode=755,size={plan['disk_bytes']}", f"disk-{plan['name']}", str(DISK))
    for name in ("changes", "work", "root", "docker"):
        (DISK / name).mkdir()
    layers = f"lowerdir={plan['layer']}:{plan['userland']},upperdir={DISK}/changes,workdir={DISK}/work"
    run("mount", "-t", "overlay", "-o", layers, "overlay", str(ROOT))
    if plan["kind"] == "dropbear":
        run("chroot", str(ROOT), "/bin/busybox", "--install", "-s")


def run(*argv: str) -> None:
    subprocess.run(argv, check=True)


class Power:
    """unshare: the parent of the box's first process; the box ends with it."""

    def __init__(self, plan_file: str, plan: dict[str, str]) -> None:
        self.plan_file = plan_file
        self.plan = plan
        self.unshare: subprocess.Popen[bytes] | None = None
        self.pidfd = -1

    def ends(self) -> tuple[int, ...]:
        """A descriptor that can be read once the box has ended by itself; none while it is off."""
        return (self.pidfd,) if self.unshare else ()

    def state(self) -> str:
        return "on" if self.unshare else "off"

    def boot(self) -> None:
        if self.unshare:
            return
        with Path(self.plan["console"]).open("ab") as console:
            self.unshare = subprocess.Popen(
                [*APART, sys.executable, "-I", "-S", str(Path(__file__).with_name("init.py")), self.plan_file],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self.pidfd = os.pidfd_open(self.unshare.pid)

    def after_end(self) -> None:
        """What reboot(2) does in a process namespace is to end its first process by SIGHUP, and poweroff by SIGINT."""
        if self._ended() == -signal.SIGHUP:
            self.boot()

    def cut(self) -> None:
        """Ends all of the box's programs at once, and returns when they are gone."""
        if not self.unshare:
            return
        first = _only_child(self.unshare.pid)
        self.unshare.kill()
        self._ended()
        if first >= 0:
            # Of a namespace, the first process goes last.
            select.select([first], [], [], END_S)
            os.close(first)
        self._remove_cgroups()

    def _ended(self) -> int:
        assert self.unshare
        code = self.unshare.wait()
        os.close(self.pidfd)
        self.unshare = None
        return code

    def _remove_cgroups(self) -> None:
        """Of containers that could not do so themselves. Version 1 has a tree per controller, version 2 one."""
        for pattern in (f"*/{self.plan['cgroup']}", self.plan["cgroup"]):
            for group in Path("/sys/fs/cgroup").glob(pattern):
                for folder, _, _ in os.walk(group, topdown=False):
                    with contextlib.suppress(OSError):
                        Path(folder).rmdir()


def _only_child(pid: int) -> int:
    """Its pidfd, or -1 if it is gone."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    try:
        return os.pidfd_open(int(children[0])) if children else -1
    except ProcessLookupError:
        return -1


if __name__ == "__main__":
    main()
