"""The first process of a box, with process, mount, host and IPC namespaces of its own: `init.py PLAN`, as root.

Mounts what a kernel gives a userland, then starts what the box starts: busybox init, emulated, takes this process
over; on a Debian this process stays, runs /etc/rc5.d/S* and collects orphans. Standard library only, no imports of
ours: it is started once per boot.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = "/boot/root"  # see keeper.py
# Linux's numbers of what could reach through to the machine: kernel modules, raw I/O, clock, network settings,
# device nodes. Rebooting stays: in a process namespace it ends the namespace only.
FORBIDDEN_CAPABILITIES = (12, 16, 17, 25, 27)
PR_CAPBSET_DROP = 24
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
SSHD_CONFIG = """\
ListenAddress {address}:{port}
HostKey {root}/etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile {root}/root/.ssh/authorized_keys
ChrootDirectory {root}
SetEnv QEMU_CPU={cpu}
Subsystem sftp internal-sftp
PasswordAuthentication no
MaxStartups 100
PidFile none
StrictModes no
UseDNS no
UsePAM no
"""
# What the engine is asked for below /var/lib is the box's, under the box's own names; bridges and packet filters
# are made in a network namespace of its own. A host's /etc/docker/daemon.json is none of its business.
ENGINE = """\
mount --rbind {root}/var/lib /var/lib
exec dockerd --config-file /run/engine.json --host unix://{root}/run/docker.sock --pidfile /run/engine.pid \
    --log-level warn --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent /{cgroup}
"""
# A container gets a /proc of its own, which would say what this machine's CPU is rather than the box's.
ENGINE_SETTINGS = {"runtimes": {"box": {"path": "/run/box-runc"}}, "default-runtime": "box"}
RUNC = """\
#!{python} -IS
import json, os, sys
if "--bundle" in sys.argv:
    file = sys.argv[sys.argv.index("--bundle") + 1] + "/config.json"
    config = json.load(open(file))
    cpuinfo = {{"destination": "/proc/cpuinfo", "type": "bind", "source": "/run/cpuinfo", "options": ["bind", "ro"]}}
    config["mounts"].append(cpuinfo)
    json.dump(config, open(file, "w"))
os.execvp("runc", ["runc", *sys.argv[1:]])
"""


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    assert os.getpid() == 1, "without a process namespace, a box would kill and reboot the machine"
    os.environ["QEMU_CPU"] = plan["cpu"]
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    socket.sethostname(plan["name"])
    mount_kernel(plan["cpuinfo"])
    if plan["kind"] == "dropbear":
        drop_capabilities()
        enter_box()
        os.execv("/sbin/init", ["init"])
    if plan["kind"] == "engine":
        start_engine(plan["cgroup"])
    start_sshd(plan)
    in_box("sh", "-c", 'for script in /etc/rc5.d/S*; do [ ! -x "$script" ] || "$script" start; done')
    collect_orphans()


def mount_kernel(cpuinfo: str) -> None:
    """/proc here and in the box, and there /dev, /run and /tmp too, which no boot finds as they were."""
    mount("-t", "proc", "proc", "/proc")
    mount("-t", "tmpfs", "-o", "mode=755", "run", "/run")
    mount("-t", "proc", "proc", f"{ROOT}/proc")
    Path("/run/cpuinfo").write_text(cpuinfo)
    mount("--bind", "/run/cpuinfo", f"{ROOT}/proc/cpuinfo")
    for dangerous in ("sys", "sysrq-trigger"):
        if (place := Path(f"{ROOT}/proc/{dangerous}")).exists():
            mount("--bind", "-o", "ro", str(place), str(place))
    mount("-t", "tmpfs", "-o", "mode=755,size=16m", "run", f"{ROOT}/run")
    mount("-t", "tmpfs", "-o", "mode=1777,size=16m", "tmp", f"{ROOT}/tmp")
    mount("-t", "tmpfs", "-o", "mode=755,size=1m", "dev", f"{ROOT}/dev")
    os.umask(0)
    for name, (major, minor) in DEVICES.items():
        os.mknod(f"{ROOT}/dev/{name}", 0o020666, os.makedev(major, minor))
    os.umask(0o022)
    Path(f"{ROOT}/dev/pts").mkdir()
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666", "devpts", f"{ROOT}/dev/pts")
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("console", "null")):
        Path(f"{ROOT}/dev/{name}").symlink_to(target)


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def drop_capabilities() -> None:
    """For every program from here on."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in FORBIDDEN_CAPABILITIES:
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"capability {capability} cannot be dropped")


def enter_box() -> None:
    os.chroot(ROOT)
    os.chdir("/")


def in_box(*argv: str) -> None:
    if os.fork() == 0:
        drop_capabilities()
        enter_box()
        os.setsid()
        os.execvp(argv[0], argv)


def start_sshd(plan: dict[str, str]) -> None:
    """The host's, which locks sessions in. It reads users where it runs, so it is shown the box's, and its own."""
    Path("/run/sshd").mkdir()
    Path("/run/sshd_config").write_text(SSHD_CONFIG.format(root=ROOT, **plan))
    separated = "sshd:*:65533:65534::/run/sshd:/bin/false\n"
    Path("/run/passwd").write_text(Path(f"{ROOT}/etc/passwd").read_text() + separated)
    mount("--bind", "/run/passwd", "/etc/passwd")
    mount("--bind", f"{ROOT}/etc/shadow", "/etc/shadow")
    subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", "/run/sshd_config"], preexec_fn=drop_capabilities)


def start_engine(cgroup: str) -> None:
    """And waits for it, as services that need it would. Its data is on the box's disk, but beside the overlay,
    because an overlay cannot lie on another.
    """
    Path(f"{ROOT}/var/lib/docker").mkdir(exist_ok=True)
    mount("--bind", "/boot/docker", f"{ROOT}/var/lib/docker")
    Path("/run/engine.json").write_text(json.dumps(ENGINE_SETTINGS))
    Path("/run/box-runc").write_text(RUNC.format(python=sys.executable))
    Path("/run/box-runc").chmod(0o755)
    script = ENGINE.format(root=ROOT, cgroup=cgroup)
    subprocess.Popen(["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", script])
    deadline = time.monotonic() + 30
    while not answers(f"{ROOT}/run/docker.sock"):
        assert time.monotonic() < deadline, "the engine does not answer"
        time.sleep(0.05)


def answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def collect_orphans() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(1)


if __name__ == "__main__":
    main()
