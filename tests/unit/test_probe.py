"""What a probe makes of root folders: the same facts as of the box whose root it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edgebuild.config.probe_rules import load_probe_rules
from edgebuild.config.yaml import parse_yaml
from edgebuild.errors import BoxError, ConfigError, NotAvailable
from edgebuild.log import Log
from edgebuild.model.contract import EngineFacts, PythonFacts
from edgebuild.model.probe_rule import MountRule, ProbeRules, VersionRule
from edgebuild.probe.contract import probe
from edgebuild.probe.engine import mounted_paths, parse_mounts
from edgebuild.probe.root import RootFolder
from edgebuild.probe.view import View
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf

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
    assert contract.loaders == tuple(
        f"{folder}/ld-linux-aarch64.so.1"
        for folder in ("/lib/aarch64-linux-gnu", "/lib", "/usr/lib/aarch64-linux-gnu", "/usr/lib")
    )
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
    assert set(contract.libraries) == {"ld-musl-aarch64.so.1", "libc.musl-aarch64.so.1", "libz.so.1"}


def test_a_library_is_known_by_every_name_that_programs_may_ask_for(root: Root, ws: Workspace) -> None:
    root.file(f"{LIBRARIES}/libbz2.so.1.0.8", write_elf(Elf(soname="libbz2.so.1.0", exports=["BZ2_bzopen"])))
    for name in ("libbz2.so.1.0", "libbz2.so.1", "libbz2.so"):
        root.link(f"{LIBRARIES}/{name}", "libbz2.so.1.0.8")
    provided = look_at(root, ws)
    assert {each for each in provided.contract.libraries if "bz2" in each} == {
        "libbz2.so.1.0",
        "libbz2.so.1",
        "libbz2.so",
    }
    assert provided.symbols["libbz2.so.1"] == {"BZ2_bzopen"}


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
