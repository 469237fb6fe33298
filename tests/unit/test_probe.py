"""What a probe makes of answers of real boxes, and of root folders; no box and no emulator takes part."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgebuild.config.probe_rules import load_probe_rules
from edgebuild.config.yaml import parse_yaml
from edgebuild.errors import BoxError, ConfigError, NotAvailable
from edgebuild.log import Log
from edgebuild.model.contract import EngineFacts, PythonFacts
from edgebuild.model.emulated_cpu import features_beyond, nearest_lower_cpu
from edgebuild.model.probe_rule import MountRule, ProbeRules, VersionRule
from edgebuild.probe.contract import probe
from edgebuild.probe.cpu import read_cpu
from edgebuild.probe.engine import mounted_paths, parse_mounts
from edgebuild.probe.live import LiveBox, parse_answer
from edgebuild.probe.questions import render_fetch, render_questions
from edgebuild.probe.root import RootFolder
from edgebuild.probe.view import Entry, Fetched, View
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf

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


# ---- Root folders ----

LOADER = b"\0/lib/aarch64-linux-gnu/\0/usr/lib/aarch64-linux-gnu/\0/lib/\0/usr/lib/\0"
GLIBC = b"\0GNU C Library (Acme 2.24) stable release version 2.24, by Roland McGrath et al.\n\0"
LIBRARIES = "usr/lib/aarch64-linux-gnu"


@dataclass(frozen=True)
class Root:
    folder: Path

    def file(self, name: str, content: bytes | str = b"", *, executable: bool = False) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o755 if executable else 0o644)

    def link(self, name: str, target: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """A merged-/usr root with a loader, a C library and a link that is absolute."""
    root = Root(tmp_path / "root")
    root.file(
        f"{LIBRARIES}/ld-2.24.so", write_elf(Elf(soname="ld-linux-aarch64.so.1", defines=["GLIBC_2.17"])) + LOADER
    )
    root.link(f"{LIBRARIES}/ld-linux-aarch64.so.1", "ld-2.24.so")
    root.link("lib", "usr/lib")
    root.link("usr/lib/ld-linux-aarch64.so.1", f"/{LIBRARIES}/ld-linux-aarch64.so.1")
    libc = Elf(soname="libc.so.6", defines=["GLIBC_2.17", "GLIBC_2.18"], exports=["fopen"])
    root.file(f"{LIBRARIES}/libc-2.24.so", write_elf(libc) + GLIBC)
    root.link(f"{LIBRARIES}/libc.so.6", "libc-2.24.so")
    root.file("usr/bin/sh", executable=True)
    root.link("bin", "usr/bin")
    return root


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace(cache=tmp_path / "cache", out=tmp_path, project=tmp_path / "project", log=Log(quiet=True))


def look_at(root: Root, ws: Workspace, rules: ProbeRules | None = None, room_bytes: int = 1 << 20):  # type: ignore[no-untyped-def]
    return probe(
        RootFolder(root.folder, ws), rules or ProbeRules(), title="", room_bytes=room_bytes, log=Log(quiet=True)
    )


def test_a_root_folder_becomes_a_contract(root: Root, ws: Workspace) -> None:
    root.file("usr/bin/python3.7", executable=True)
    root.link("usr/bin/python3", "python3.7")
    root.file("usr/lib/python3.7/lib-dynload/_ssl.cpython-37m-aarch64-linux-gnu.so")
    root.file("etc/os-release", 'ID=acme\nPRETTY_NAME="Acme Linux 7"\nVERSION_ID=7\n')
    provided = look_at(root, ws)
    contract = provided.contract
    assert contract.title == "Acme Linux 7" and contract.arch == "aarch64" and contract.glibc == "2.24"
    assert contract.libraries == {"ld-linux-aarch64.so.1": {"GLIBC": "2.17"}, "libc.so.6": {"GLIBC": "2.18"}}
    assert provided.symbols["libc.so.6"] == {"fopen", "@GLIBC_2.17", "@GLIBC_2.18"}
    assert contract.pythons == (
        PythonFacts(version="3.7", soabi="cpython-37m-aarch64-linux-gnu", path="/usr/bin/python3.7"),
    )
    assert contract.programs is not None and {"/bin/sh", "/usr/bin/python3"} <= {*contract.programs}
    assert contract.engine == "none" and contract.versions == {"os": "acme 7"}
    assert (contract.kernel, contract.page_size, contract.free_bytes, contract.cpu.features) == (None,) * 4
    assert contract.sources["glibc"] == "root folder: text in the C library" and "kernel" not in contract.sources


def test_a_link_out_of_the_root_leads_to_nothing_of_this_machine(root: Root, ws: Workspace) -> None:
    root.link(f"{LIBRARIES}/libpasswd.so.1", "../../../../../../etc/passwd")
    root.link(f"{LIBRARIES}/libloop.so.1", "libloop.so.1")
    assert not {"libpasswd.so.1", "libloop.so.1"} & {*look_at(root, ws).contract.libraries}


def test_only_what_the_loader_would_find_and_map_is_provided(root: Root, ws: Workspace) -> None:
    root.file(f"{LIBRARIES}/libarm.so.1", write_elf(Elf(machine="EM_ARM", soname="libarm.so.1")))
    root.file(f"{LIBRARIES}/libm.so", "/* GNU ld script */ INPUT(libm.so.6)")
    root.file("usr/lib64/libelsewhere.so.1", write_elf(Elf(soname="libelsewhere.so.1")))
    root.file("opt/acme/libacme.so.2", write_elf(Elf(soname="libacme.so.2")))
    root.file("etc/ld.so.conf.d/acme.conf", "# ours\n/opt/acme\n")
    assert set(look_at(root, ws).contract.libraries) == {"ld-linux-aarch64.so.1", "libc.so.6"}
    root.file("etc/ld.so.cache")  # ldconfig has seen the folder
    assert "libacme.so.2" in look_at(root, ws).contract.libraries


def test_a_library_too_large_to_fetch_is_known_by_name_only(root: Root, ws: Workspace) -> None:
    large = write_elf(Elf(soname="libbig.so.3", defines=["BIG_3.0"])) + bytes(1 << 19)
    root.file(f"{LIBRARIES}/libbig.so.3.0.1", large)
    root.link(f"{LIBRARIES}/libbig.so.3", "libbig.so.3.0.1")
    provided = look_at(root, ws, room_bytes=1 << 18)
    assert provided.contract.libraries["libbig.so.3"] == {} and "libbig.so.3" not in provided.symbols
    assert "the others by name only" in provided.contract.sources["libraries"]
    assert look_at(root, ws).contract.libraries["libbig.so.3"] == {"BIG": "3.0"}


def test_a_box_without_glibc_has_what_its_loader_has(root: Root, ws: Workspace) -> None:
    musl = Root(root.folder.with_name("musl"))
    musl.file("lib/ld-musl-aarch64.so.1", write_elf(Elf(soname="libc.musl-aarch64.so.1")) + b"\0musl libc (aarch64)\0")
    musl.link("lib/libc.musl-aarch64.so.1", "ld-musl-aarch64.so.1")
    musl.file("usr/lib/libz.so.1.3", write_elf(Elf(soname="libz.so.1", exports=["deflate"])))
    musl.link("usr/lib/libz.so.1", "libz.so.1.3")
    contract = look_at(musl, ws).contract
    assert contract.glibc is None
    assert set(contract.libraries) == {"libc.musl-aarch64.so.1", "libz.so.1"}


def test_a_box_that_is_one_static_program_has_no_libraries(ws: Workspace, tmp_path: Path) -> None:
    static = Root(tmp_path / "static")
    static.file("bin/busybox", write_elf(Elf()), executable=True)
    static.link("bin/sh", "busybox")
    contract = look_at(static, ws).contract
    assert contract.libraries == {} and contract.glibc is None and contract.programs == ("/bin/busybox", "/bin/sh")


@pytest.mark.parametrize(
    ("shell", "error", "message"),
    [
        (b"", NotAvailable, "which machine"),
        (write_elf(Elf(machine="EM_ARM")), BoxError, "its programs are for EM_ARM"),
    ],
)
def test_a_folder_that_is_no_root_of_ours_is_refused(
    shell: bytes, error: type[Exception], message: str, ws: Workspace, tmp_path: Path
) -> None:
    root = Root(tmp_path / "other")
    root.file("bin/sh", shell, executable=True)
    with pytest.raises(error, match=message):
        look_at(root, ws)


# ---- Rules ----


def test_rules_find_versions_in_files_packages_and_libraries(root: Root, ws: Workspace) -> None:
    root.file("etc/acme/sdk.txt", "name: x\nSDK 7.1-b2\n")
    root.file("var/lib/dpkg/status", "Package: acme-core\nVersion: 2.3-1\n\nPackage: other\nVersion: 9\n")
    root.file(f"{LIBRARIES}/libacme.so", write_elf(Elf(soname="libacme.so")) + b"\0acme runtime version: 1.5.2 (x)\0")
    rules = ProbeRules(
        versions=(
            VersionRule(name="sdk", files=("/etc/acme/*.txt",), regex=r"^SDK (\S+)"),
            VersionRule(name="core", package="acme-core"),
            VersionRule(name="runtime", library="libacme.so", regex=r"runtime version: ([\d.]+)"),
            VersionRule(name="absent", files=("/etc/none",), regex="(.*)"),
        )
    )
    contract = look_at(root, ws, rules).contract
    assert contract.versions == {"core": "2.3-1", "runtime": "1.5.2", "sdk": "7.1-b2"}
    assert contract.sources["versions.sdk"] == "root folder: /etc/acme/sdk.txt"


CSV = (
    "lib, /usr/lib/libdriver.so.1\nsym, /usr/lib/libdriver.so\ndev, /dev/acme0\ndir, /opt/firmware\nlib, /etc/x.conf\n"
)
CDI = "containerEdits: {mounts: [{hostPath: /a/libd.so.2, containerPath: /usr/lib/libd.so.2}]}\ndevices: []\n"


def test_what_a_runtime_lays_into_images_is_read_from_its_own_lists() -> None:
    assert list(parse_mounts("csv", CSV)) == [
        "/usr/lib/libdriver.so.1",
        "/usr/lib/libdriver.so",
        "/opt/firmware/*.so*",
    ]
    assert list(parse_mounts("list", "/usr/lib64/libdrv.so\n/usr/local/driver\n\n")) == [
        "/usr/lib64/libdrv.so",
        "/usr/local/driver/*.so*",
    ]
    assert list(parse_mounts("cdi", CDI)) == ["/usr/lib/libd.so.2"]


@pytest.mark.parametrize(
    ("texts", "paths"),
    [
        ({}, ()),
        ({"/etc/docker/daemon.json": '{"default-runtime": "runc"}'}, ()),
        ({"/etc/docker/daemon.json": '{"default-runtime": "acme"}'}, None),
        ({"/etc/docker/daemon.json": "{"}, None),
        ({"/etc/acme/a.csv": "lib, /l/libx.so"}, ("/l/libx.so",)),
        ({"/etc/cdi/a.yaml": "- what"}, None),
    ],
)
def test_mounts_that_nobody_lists_are_unknown(texts: dict[str, str], paths: tuple[str, ...] | None) -> None:
    rules = (
        MountRule(files=("/etc/acme/*.csv",), format="csv"),
        MountRule(files=("/etc/cdi/*.yaml",), format="cdi"),
    )
    assert mounted_paths(View(texts=texts), rules) == paths


def test_mounted_files_are_read_or_unknown(root: Root, ws: Workspace) -> None:
    root.file("usr/bin/dockerd", executable=True)
    root.file("var/lib/dpkg/status", "Package: docker.io\nVersion: 20.10.5+dfsg1-1\n")
    root.file(f"{LIBRARIES}/libseccomp.so.2.5.1", write_elf(Elf(soname="libseccomp.so.2")))
    driver = Elf(soname="libdrv.so.1", needed=["libc.so.6"], needs={"libc.so.6": {"GLIBC_2.34": ["dlopen"]}})
    root.file("opt/acme/libdrv.so.1", write_elf(driver))
    root.file("etc/acme/drivers.csv", "lib, /opt/acme/libdrv.so.1\nlib, /opt/acme/libabsent.so\n")
    rules = ProbeRules(mounts=(MountRule(files=("/etc/acme/*.csv",), format="csv"),))
    engine = look_at(root, ws, rules).contract.engine
    assert isinstance(engine, EngineFacts) and engine.mounts is not None
    assert (engine.name, engine.version, engine.layers, engine.seccomp) == (
        "docker",
        "20.10.5",
        ("none", "gzip"),
        "2.5.1",
    )
    (mount,) = engine.mounts
    assert mount.path == "/opt/acme/libdrv.so.1" and mount.needs == {"GLIBC": "2.34"}
    root.file("opt/acme/libdrv.so.1", write_elf(driver) + bytes(1 << 19))
    engine = look_at(root, ws, rules, room_bytes=1 << 18).contract.engine
    assert isinstance(engine, EngineFacts) and engine.mounts is None


def test_shipped_rules_are_sound_and_a_project_may_add_its_own(ws: Workspace) -> None:
    shipped = load_probe_rules(ws)
    assert len(shipped.versions) > 10 and len(shipped.mounts) > 2
    own = ws.project / "probe" / "acme.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("versions:\n  - {name: acme, files: [/etc/acme], regex: '(.+)'}\n")
    assert [rule.name for rule in load_probe_rules(ws).versions if rule not in shipped.versions] == ["acme"]


@pytest.mark.parametrize("rule", ["{name: x, files: ['/etc/$(reboot)']}", "{name: x, command: 'a; reboot'}"])
def test_a_rule_cannot_say_more_to_a_shell_than_a_name(rule: str) -> None:
    with pytest.raises(ConfigError):
        parse_yaml(rule, VersionRule, where="rules.yaml")


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
