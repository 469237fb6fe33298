"""The boxes that deployment is tested on are what they claim to be, and cannot hurt the machine they run on."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgebuild.workspace import Workspace
from tests.boxes import Answer, Box, Kind, Rack, Relay
from tests.boxes.userland import provide_userland
from tests.e2e.harness import REPOSITORY

DOCKER = os.environ.get("DOCKER", "docker")
_FRESH = "/var/lib/fresh"


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory, cache: Workspace) -> Iterator[Rack]:
    with Rack.open(tmp_path_factory.mktemp("rack"), cache) as rack:
        yield rack


@pytest.fixture(scope="module")
def small(rack: Rack) -> Box:
    """Nothing but busybox and dropbear, 64 MiB."""
    return rack.add("dropbear", "small", disk_bytes=64 << 20)


@pytest.fixture(scope="module")
def debian(rack: Rack) -> Box:
    return rack.add("openssh", "debian")


@pytest.fixture(scope="module")
def engine(rack: Rack) -> Box:
    return rack.add("engine", "engine")


def output(answer: Answer) -> str:
    assert answer.code == 0, answer.stderr
    return answer.stdout.strip()


@pytest.mark.parametrize("kind", ["small", "debian", "engine"])
def test_a_box_answers_as_arm64_under_its_own_name(kind: str, request: pytest.FixtureRequest) -> None:
    box: Box = request.getfixturevalue(kind)
    assert output(box.run("uname -m; hostname; echo $QEMU_CPU")).split() == ["aarch64", kind, "cortex-a53"]
    assert "CPU part\t: 0xd03" in output(box.run("cat /proc/cpuinfo"))


def test_the_small_box_has_busybox_and_nothing_else(small: Box) -> None:
    programs = output(small.run("for name in /bin/* /sbin/*; do readlink -f $name; done | sort -u")).split()
    assert programs == ["/usr/bin/busybox", "/usr/sbin/dropbear"]
    assert small.run("command -v bash scp sftp python3 docker").code != 0


def test_a_client_that_knows_another_key_does_not_get_in(small: Box, debian: Box) -> None:
    wrong = small.known_hosts.with_name("wrong")
    wrong.write_text(small.host_key.split()[0] + " " + debian.host_key.split(" ", 1)[1] + "\n")
    argv = [word.replace(str(small.known_hosts), str(wrong)) for word in small.ssh_command("true")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 255 and "Host key verification failed" in done.stderr


@pytest.mark.parametrize("kind", ["small", "debian"])
def test_what_was_written_survives_a_power_cut_and_what_ran_does_not(kind: str, request: pytest.FixtureRequest) -> None:
    box: Box = request.getfixturevalue(kind)
    service = "/etc/init.d/S60clock" if kind == "small" else "/etc/rc5.d/S60clock"
    script = "#!/bin/sh\\nwhile :; do date +%s >> /var/log/clock; sleep 0.1; done &\\n"
    output(box.run(f"printf '{script}' > {service}; chmod 755 {service}; echo kept > {_FRESH}"))
    box.power_cut()
    assert not box.is_on() and not box.answers()
    assert box.path(_FRESH).read_text() == "kept\n"
    box.boot()
    wait_for(lambda: box.path("/var/log/clock").is_file())
    assert output(box.run(f"cat {_FRESH}")) == "kept", "the same address and host key as before"
    box.power_cut()
    ticks = box.path("/var/log/clock").stat().st_size
    time.sleep(0.5)
    assert box.path("/var/log/clock").stat().st_size == ticks
    box.path(service).unlink()
    box.boot()


def test_reboot_ends_the_box_only_and_it_comes_back(small: Box) -> None:
    output(small.run("touch /run/before"))
    small.run("reboot")
    wait_for(lambda: small.run("test ! -e /run/before").code == 0)


def test_a_full_disk_is_full(small: Box) -> None:
    answer = small.run("cat /dev/zero > /var/lib/big")
    free_kb = int(output(small.run("df -Pk /var/lib | tail -1")).split()[3])
    size_bytes = small.path("/var/lib/big").stat().st_size
    output(small.run("rm /var/lib/big"))
    assert answer.code != 0 and "No space left" in answer.stderr
    assert free_kb < 1024 and 60 << 20 < size_bytes < 64 << 20


@pytest.mark.parametrize("kind", ["small", "debian"])
def test_a_box_sees_only_itself(kind: str, request: pytest.FixtureRequest) -> None:
    box: Box = request.getfixturevalue(kind)
    with subprocess.Popen(["sleep", "61.25"]) as outside:
        assert "61.25" not in output(box.run("ps -ef"))
        box.run("kill -9 -1")
        assert outside.poll() is None
        outside.kill()
    assert box.run("mknod /run/disk b 254 0").code != 0, "the machine's disks are out of reach"
    assert box.run("echo 1 > /proc/sys/kernel/panic").code != 0
    box.off()
    box.on()


def test_each_of_five_boxes_has_an_address_and_a_key_of_its_own(rack: Rack) -> None:
    kinds: tuple[Kind, ...] = ("dropbear", "openssh", "dropbear", "openssh", "dropbear")
    boxes = [rack.add(kind, f"fleet{number}") for number, kind in enumerate(kinds)]
    assert len({box.address for box in boxes}) == len({box.host_key for box in boxes}) == 5
    assert all(box.answers() for box in boxes)


def test_nothing_of_a_box_outlives_the_tests(tmp_path: Path) -> None:
    """Not even when these are killed."""
    script = (
        "import sys, time; from pathlib import Path; from edgebuild.log import Log\n"
        "from edgebuild.workspace import Workspace; from tests.boxes import Rack\n"
        "ws = Workspace.open(project=Path.cwd(), out=None, log=Log(quiet=True))\n"
        "with Rack.open(Path(sys.argv[1]), ws) as rack:\n"
        "    print(rack.add('dropbear', 'orphan')._keeper.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    argv = [sys.executable, "-c", script, str(tmp_path / "rack")]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout
        keeper = int(tests.stdout.readline())
        assert processes_with(str(tmp_path))
        os.kill(tests.pid, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{keeper}").exists() and not processes_with(str(tmp_path)))
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def processes_with(word: str) -> list[str]:
    """Command lines; the box's own first process still has its plan's path in its mounts."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if word in (process / "mounts").read_text():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_a_relay_cuts_the_connection_in_midst_of_a_transfer(small: Box) -> None:
    payload = os.urandom(2 << 20)
    with Relay(small.address, small.port) as relay:
        relay.cut_after(1 << 20)
        first = send(small, relay, payload)
        arrived = small.path(_FRESH).stat().st_size
        assert first.code == 255 and 0 < arrived < len(payload)
        assert send(small, relay, payload).code == 0, "only once"
        assert small.path(_FRESH).read_bytes() == payload
        relay.refuse()
        assert send(small, relay, b"").code == 255
        assert relay.connections == 2


def test_a_relay_is_as_slow_as_told(small: Box) -> None:
    with Relay(small.address, small.port, rate_bytes_s=1e6) as relay:
        started = time.monotonic()
        assert send(small, relay, os.urandom(2_000_000)).code == 0
        assert time.monotonic() - started > 1.9


def send(box: Box, relay: Relay, payload: bytes) -> Answer:
    """To a file on the box, by way of the relay; the host key is looked up under the box's own address."""
    words = box.ssh_command(f"cat > {_FRESH}")
    words[words.index("-p") + 1] = str(relay.port)
    words[words.index(f"root@{box.address}")] = f"root@{relay.address}"
    words[1:1] = ["-o", f"HostKeyAlias=[{box.address}]:{box.port}"]
    done = subprocess.run(words, input=payload, capture_output=True, timeout=60, check=False)
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_the_machine_s_engine_runs_arm64_images(cache: Workspace, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_bytes(busybox_image(cache, "edgebuild-test-machine"))
    subprocess.run([DOCKER, "load", "-i", archive], check=True, capture_output=True, timeout=60)
    options = ("--rm", "--init", "--read-only", "--user", "65532:65532")
    argv = [DOCKER, "run", *options, "edgebuild-test-machine:1", "sh", "-c", "uname -m; id -u; ! touch /new"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    finally:
        removal = [DOCKER, "image", "rm", "edgebuild-test-machine:1"]
        subprocess.run(removal, capture_output=True, timeout=60, check=False)
    assert done.stdout.split() == ["aarch64", "65532"]


def test_a_box_s_engine_is_its_own_and_sees_the_box_s_files(engine: Box, cache: Workspace) -> None:
    archive = busybox_image(cache, "edgebuild-test-box")
    assert output(engine.run("docker load", stdin=archive)) == "Loaded image: edgebuild-test-box:1"
    output(engine.run("mkdir -p /var/lib/app/state && chown 65532 /var/lib/app/state"))
    options = "-d --restart always --init --read-only --user 65532 -v /var/lib/app/state:/state"
    service = "echo started >> /state/log; exec sleep 1000"
    output(engine.run(f"docker run {options} --name app edgebuild-test-box:1 sh -c '{service}'"))
    log = engine.path("/var/lib/app/state/log")
    wait_for(log.is_file)
    machine = subprocess.run([DOCKER, "images"], capture_output=True, text=True, timeout=60, check=True)
    assert "edgebuild-test-box" not in machine.stdout
    engine.power_cut()
    engine.boot()
    wait_for(lambda: log.read_text() == "started\nstarted\n")
    output(engine.run("docker rm -f app && docker image rm edgebuild-test-box:1"))


def busybox_image(ws: Workspace, name: str) -> bytes:
    """What `docker save` would write of an arm64 image NAME:1 with busybox only."""
    layer = tar_of({"bin/busybox": (provide_userland("busybox-arm64", ws) / "usr/bin/busybox").read_bytes()})
    diff = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    config = {"architecture": "arm64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff]}}
    manifest = [{"Config": "config.json", "RepoTags": [f"{name}:1"], "Layers": ["layer.tar"]}]
    return tar_of(
        {
            "config.json": json.dumps(config).encode(),
            "layer.tar": layer,
            "manifest.json": json.dumps(manifest).encode(),
        }
    )


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
        if "bin/busybox" in files:
            for applet in ("sh", "uname", "id", "touch", "sleep"):
                member = tarfile.TarInfo(f"bin/{applet}")
                member.type, member.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(member)
    return buffer.getvalue()


def wait_for(happened: Callable[[], bool], limit_s: float = 30) -> None:
    deadline = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < deadline, f"did not happen within {limit_s} s"
        time.sleep(0.05)
