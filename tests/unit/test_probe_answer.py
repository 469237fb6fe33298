"""What a probe asks a box, and what it makes of the answers of boxes of all kinds; no box takes part."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgebuild.errors import BoxError
from edgebuild.model.emulated_cpu import features_beyond, nearest_lower_cpu
from edgebuild.model.probe_rule import ProbeRules
from edgebuild.probe.cpu import read_cpu
from edgebuild.probe.live import LiveBox, parse_answer
from edgebuild.probe.questions import render_fetch, render_questions
from edgebuild.probe.view import Entry, Fetched
from edgebuild.workspace import Workspace

# busybox 1.30 on a box whose clock starts in 1970: `ls -ln` has a year or a time, an owner may be a number or a name.
BUSYBOX = """\
machine=aarch64
kernel=4.9.140-vendor+
page_size=4 kB
user=root
folder=/lib
real=/lib
entry=total 1740
entry=drwxr-xr-x    2 0        0             4096 Jan  1  1970 firmware
entry=-rwxr-xr-x    1 0        0           139264 Jan  1 00:00 ld-2.24.so
entry=lrwxrwxrwx    1 0        0               10 Jan  1  1970 ld-linux-aarch64.so.1 -> ld-2.24.so
entry=lrwxrwxrwx    1 0        0               12 Jan  1  1970 libgone.so.1 -> libgone.so.9
entry=-rw-r--r--    1 1000     100          81920 Jun 30  2031 libvendor.so
entry=crw-------    1 0        0           5,   1 Jan  1  1970 console
entry=-rwsr-xr-x    1 0        0              900 Jan  1  1970 a name.so

followed=-rwxr-xr-x    1 0        0           139264 Jan  1 00:00 ld-2.24.so
followed=-rwxr-xr-x    1 0        0           139264 Jan  1 00:00 ld-linux-aarch64.so.1
followed=-rw-r--r--    1 1000     100          81920 Jun 30  2031 libvendor.so
followed=-rwsr-xr-x    1 0        0              900 Jan  1  1970 a name.so
folder=/usr/lib
real=/usr/lib
folder=/lib64
real=/lib
text=/etc/os-release
line=ID=buildroot
line=VERSION_ID="2021.02=x"
text=/proc/device-tree/model
line=Acme Box One
line=
package=docker.io 20.10.5+dfsg1-1
output=engine docker
line=20.10.5
free=/var/lib /dev/mmcblk0p2 1998672 1213432 664000 65% /data
free=/ /dev/root 120000 120000 0 100% /
complete=yes
"""


def test_an_answer_of_busybox_with_its_clock_in_1970_is_read() -> None:
    view = parse_answer(BUSYBOX, "box")
    assert view.real == {"/lib": "/lib", "/usr/lib": "/usr/lib", "/lib64": "/lib"}
    assert view.entries["/lib"] == {
        "ld-2.24.so": Entry(139264, executable=True),
        "ld-linux-aarch64.so.1": Entry(139264, executable=True, target="ld-2.24.so"),
        "libvendor.so": Entry(81920),
        "a name.so": Entry(900, executable=True),
    }
    assert view.texts["/etc/os-release"] == 'ID=buildroot\nVERSION_ID="2021.02=x"'
    assert view.outputs == {"engine docker": "20.10.5"}
    assert view.free_kb == {"/var/lib": 664000, "/": 0}
    assert view.file_behind("/lib64/ld-linux-aarch64.so.1") == "/lib/ld-2.24.so"


@pytest.mark.parametrize(
    "line",
    [
        "-rw-r--r-- 1 0 0 81920 Nov 25 13:48 libx.so",  # GNU
        "-rw-r--r--. 1 0 0 81920 Nov  5  2024 libx.so",  # with a security context
        "-rw-r--r-- 1 0 0 81920 2024-11-05 13:48 libx.so",  # toybox
    ],
)
def test_other_makes_of_ls_are_read_as_well(line: str) -> None:
    view = parse_answer(f"folder=/lib\nreal=/lib\nentry={line}\nfollowed={line}\ncomplete=yes\n", "box")
    assert view.entries["/lib"] == {"libx.so": Entry(81920)}


def test_an_answer_without_its_end_is_refused() -> None:
    with pytest.raises(BoxError, match="box: its answer broke off"):
        parse_answer(BUSYBOX.removesuffix("complete=yes\n"), "box")


# ---- CPU ----

LITTLE = "Features : fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
CORE = "processor : {}\nBogoMIPS : 48.00\n{}\nCPU implementer : 0x41\nCPU variant : 0x2\nCPU part : {}\n\n"


def test_two_kinds_of_cores_have_what_both_have() -> None:
    cpu = read_cpu(CORE.format(0, LITTLE, "0xd05") + CORE.format(1, f"{LITTLE} sve", "0xd0b"), "aarch64")
    assert cpu.model == "cortex-a55 + cortex-a76"
    assert cpu.features is not None and "asimddp" in cpu.features and "sve" not in cpu.features
    assert cpu.emulated_as == "cortex-a76"
    assert cpu.cpuinfo["CPU part"] == "0xd05" and cpu.cpuinfo["Features"].split() == list(cpu.features)


def test_an_old_kernel_says_once_what_all_cores_share() -> None:
    cores = "".join(f"processor : {number}\n" for number in range(4))
    rest = "Features : fp asimd aes pmull sha1 sha2 crc32\nCPU implementer : 0x41\nCPU part : 0xd03\nHardware : Acme\n"
    for cpuinfo in (f"Processor : AArch64 rev 4\n{cores}{rest}", f"{rest}\n{cores}"):
        cpu = read_cpu(cpuinfo, "aarch64")
        assert cpu.model == "cortex-a53" and " ".join(cpu.features or ()) == "fp asimd aes pmull sha1 sha2 crc32"


def test_a_core_of_another_maker_keeps_its_numbers() -> None:
    cpu = read_cpu("processor : 0\nFeatures : fp asimd crc32\nCPU implementer : 0x48\nCPU part : 0xd01\n", "aarch64")
    assert cpu.model == "implementer 0x48 part 0xd01" and cpu.emulated_as == "cortex-a53"


def test_what_nobody_looked_at_is_unknown() -> None:
    cpu = read_cpu(None, "aarch64")
    assert (cpu.model, cpu.features, cpu.emulated_as) == ("unknown", None, "cortex-a53")


V8_0 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
V8_2 = f"{V8_0} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"


@pytest.mark.parametrize(
    ("features", "parts", "name"),
    [
        (V8_0, (), "cortex-a53"),
        (V8_0, ("0xd08",), "cortex-a72"),
        ("fp asimd crc32 cpuid", (), "cortex-a53"),  # without cryptography: no emulated CPU lacks it
        (f"{V8_0} atomics", (), "cortex-a53"),  # v8.1: cortex-a76 would not trap at dotprod
        (V8_2, (), "cortex-a76"),
        (f"{V8_2} sve sve2 i8mm bf16", ("0xd0c",), "neoverse-n1"),
    ],
)
def test_the_emulated_cpu_has_nothing_that_the_box_lacks(features: str, parts: tuple[str, ...], name: str) -> None:
    assert nearest_lower_cpu("aarch64", features.split(), parts) == name


def test_what_an_emulated_cpu_has_beyond_the_box_is_told() -> None:
    assert features_beyond("cortex-a53", V8_0.split()) == ()
    assert features_beyond("cortex-a53", ["fp", "asimd", "crc32"]) == ("aes", "pmull", "sha1", "sha2")


# ---- The program that the box runs ----


@dataclass(frozen=True)
class Said:
    code: int
    stderr: str = ""


def local(shell: str) -> Callable[..., Said]:
    """This machine as a box: its shell runs the program, behind a login that greets."""

    def call(command: str, *, stdin: bytes, timeout_s: float, sink: Callable[[bytes], object] | None) -> Said:
        done = subprocess.run(
            [*shell.split(), "-c", command], input=stdin, capture_output=True, timeout=60, check=False
        )
        assert sink
        sink(b"Welcome to Acme!\nmachine=toaster\n" + done.stdout)
        return Said(done.returncode, done.stderr.decode())

    return call


def test_files_come_back_whole_and_what_does_not_fit_is_named(ws: Workspace, tmp_path: Path) -> None:
    for name, size_bytes in (("a b'c.so", 3000), ("empty.so", 0), ("big.so", 9000), ("z.so.1", 1000)):
        (tmp_path / name).write_bytes(bytes(range(250)) * (size_bytes // 250))
    got: dict[str, bytes] = {}

    def take(file: Fetched) -> None:
        got[Path(file.path).name] = file.place.read_bytes()

    box = LiveBox(local("sh"), "here", ws)
    left = box.fetch([f"{tmp_path}/a b'c.so", f"{tmp_path}/none.so", f"{tmp_path}/*.so*"], 8 << 10, take)
    assert {name: len(content) for name, content in got.items()} == {"a b'c.so": 3000, "empty.so": 0, "z.so.1": 1000}
    assert got["z.so.1"] == bytes(range(250)) * 4
    assert left == {f"{tmp_path}/big.so": 9000}


def test_a_stream_that_breaks_off_is_an_error(ws: Workspace) -> None:
    def call(command: str, *, stdin: bytes, timeout_s: float, sink: Callable[[bytes], object] | None) -> Said:
        assert sink
        sink(b"@edgebuild\nfile=100 /lib/libc.so.6\nonly a part")
        return Said(1)

    taken: list[Fetched] = []
    with pytest.raises(BoxError, match="here: its files did not come whole"):
        LiveBox(call, "here", ws).fetch(["/lib/libc.so.6"], 1 << 20, taken.append)
    assert taken == []


def test_a_box_that_never_stops_sending_does_not_fill_this_machine(ws: Workspace) -> None:
    def call(command: str, *, stdin: bytes, timeout_s: float, sink: Callable[[bytes], object] | None) -> Said:
        assert sink
        sink(b"@edgebuild\n")
        while True:
            sink(bytes(16 << 20))

    with pytest.raises(BoxError, match="sent more than it was asked for"):
        LiveBox(call, "here", ws).fetch(["/lib/libc.so.6"], 1 << 20, lambda file: None)
    with pytest.raises(BoxError, match="sent more than it was asked for"):
        LiveBox(call, "here", ws).look(ProbeRules())


def test_a_login_that_is_no_shell_is_told_apart(ws: Workspace) -> None:
    def call(command: str, *, stdin: bytes, timeout_s: float, sink: Callable[[bytes], object] | None) -> Said:
        assert sink
        sink(b"ACME> unknown command 'echo'\n")
        return Said(0)

    with pytest.raises(BoxError, match="no POSIX shell answered there, but: ACME> unknown command"):
        LiveBox(call, "here", ws).look(ProbeRules())


@pytest.mark.parametrize("program", [render_questions(ProbeRules()), render_fetch(["/lib/*.so"], 1024)])
def test_programs_are_posix_sh(program: bytes) -> None:
    for shell in ("sh", "bash --posix"):
        done = subprocess.run([*shell.split(), "-n"], input=program, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()


def test_lines_are_marked_without_sed_or_tr_as_well(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"one\\\n two\nthree, whose line does not end")
    asked = f"have() {{ return 1; }}\ntext {tmp_path}/text\nsay complete yes\n".encode()
    outputs = []
    for program in (asked, asked.removeprefix(b"have() { return 1; }\n")):
        facts = render_questions(ProbeRules()).partition(b"\nsay machine")[0] + b"\n"
        command = ["sh", "-c", 'eval "$(cat)"']
        done = subprocess.run(command, input=facts + program, capture_output=True, timeout=60, check=True)
        outputs.append(parse_answer(done.stdout.decode(), "here").texts[f"{tmp_path}/text"])
    assert outputs == ["one\\\n two\nthree, whose line does not end"] * 2
