"""How a box's program is run here: as which CPU, in which root, with nothing of this machine's userland."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.build import emulate
from edgebuild.build.emulate import beyond_box, cpu_option, emulated_command, emulated_python, render_cpuinfo
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.model.arch import ARCHES
from edgebuild.model.contract import Contract, CpuSpec
from edgebuild.model.product import Sysroot
from edgebuild.workspace import Workspace

AARCH64, X86_64 = ARCHES["aarch64"], ARCHES["x86_64"]
CPU = CpuSpec(model="acme-9", emulated_as="cortex-a53", cpuinfo={"Features": "fp asimd", "CPU part": "0xd03"})
BOX = Contract(title="Acme box", arch="aarch64", cpu=CPU, libraries={})
DESK = Contract(title="Desk", arch="x86_64", cpu=CpuSpec(model="x86-64", emulated_as="qemu64"), libraries={})


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An x86-64 machine with the emulator and three CPUs."""
    monkeypatch.setattr(emulate, "host_arch", lambda: X86_64)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("os.cpu_count", lambda: 3)


@pytest.fixture
def root(tmp_path: Path) -> Sysroot:
    """lib is a link, as in every merged root."""
    place = tmp_path / "sysroot"
    (place / "usr/bin").mkdir(parents=True)
    (place / "usr/lib").mkdir()
    (place / "usr/lib/libc.so.6").write_text("c")
    (place / "usr/bin/python3.9").touch()
    (place / "lib").symlink_to("usr/lib")
    return Sysroot(name="acme", digest="0" * 64, arch=AARCH64, glibc="2.31", root=place)


def test_a_program_runs_as_the_contracts_cpu_in_the_root(root: Sysroot, ws: Workspace) -> None:
    command = emulated_command(AARCH64, BOX, root, ("/out/bin/app", "a b"), ws=ws, timeout_s=7)
    emulator, cpu_option, cpu, root_option, run_root, *argv = command.argv
    assert [emulator, cpu_option, cpu, root_option] == ["/usr/bin/qemu-aarch64-static", "-cpu", "cortex-a53", "-L"]
    assert (Path(run_root) / "lib/libc.so.6").read_text() == "c"
    assert argv == ["/out/bin/app", "a b"]
    assert command.timeout_s == 7


def test_a_program_of_the_root_is_found_there(root: Sysroot, ws: Workspace) -> None:
    command = emulated_command(AARCH64, BOX, root, ("/usr/bin/python3.9",), ws=ws)
    assert command.argv[-1] == str(root.root / "usr/bin/python3.9")


def test_the_box_has_its_own_cpuinfo_and_the_sysroot_stays_untouched(root: Sysroot, ws: Workspace) -> None:
    before = sorted(root.root.rglob("*"))
    run_root = Path(emulated_command(AARCH64, BOX, root, ("/app",), ws=ws).argv[4])
    one = "Features\t: fp asimd\nCPU part\t: 0xd03\n\n"
    expected = "".join(f"processor\t: {index}\n{one}" for index in range(3))
    assert (run_root / "proc/cpuinfo").read_text() == expected
    assert sorted(root.root.rglob("*")) == before


def test_the_run_root_is_made_once(root: Sysroot, ws: Workspace) -> None:
    first, second = (emulated_command(AARCH64, BOX, root, ("/app",), ws=ws) for _ in range(2))
    assert first == second


def test_a_contract_without_cpuinfo_leaves_proc_alone(root: Sysroot, ws: Workspace) -> None:
    assert render_cpuinfo(DESK.cpu, 3) == ""
    silent = Contract(title="Silent", arch="aarch64", cpu=CpuSpec(model="m", emulated_as="max"), libraries={})
    run_root = Path(emulated_command(AARCH64, silent, root, ("/app",), ws=ws).argv[4])
    assert sorted(path.name for path in run_root.iterdir()) == ["lib", "usr"]


def test_nothing_of_the_hosts_userland_leaks(root: Sysroot, ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONHOME", "QEMU_CPU", "QEMU_LD_PREFIX"):
        monkeypatch.setenv(name, "/host")
    command = emulated_command(AARCH64, BOX, root, ("/app",), ws=ws, env={"LD_LIBRARY_PATH": "/out/lib,x"})
    environment = command.environment()
    assert environment["LD_LIBRARY_PATH"] == "/out/lib,x"
    assert "/host" not in environment.values()


def test_programs_that_the_program_starts_are_emulated_likewise(root: Sysroot, ws: Workspace) -> None:
    command = emulated_command(AARCH64, BOX, root, ("/app",), ws=ws)
    environment = command.environment()
    assert (environment["QEMU_CPU"], environment["QEMU_LD_PREFIX"]) == (str(command.argv[2]), str(command.argv[4]))


def test_the_targets_own_machine_runs_it_directly(ws: Workspace) -> None:
    command = emulated_command(X86_64, DESK, None, ("/out/bin/app", "x"), ws=ws, env={"A": "b"})
    assert command.argv == ("/out/bin/app", "x")
    assert command.env == {"A": "b"}
    assert command.timeout_s == emulate.DEFAULT_TIMEOUT_S


def test_emulation_needs_a_root(ws: Workspace) -> None:
    with pytest.raises(ConfigError, match="need a root to run in"):
        emulated_command(AARCH64, BOX, None, ("/app",), ws=ws)


def test_a_missing_emulator_names_its_package(root: Sysroot, ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(NotAvailable, match="qemu-aarch64-static: not on this machine") as caught:
        emulated_command(AARCH64, BOX, root, ("/app",), ws=ws)
    assert "qemu-user-static" in caught.value.hint


def test_python_is_the_roots_own_and_writes_nothing_into_it(root: Sysroot, ws: Workspace) -> None:
    command = emulated_python(
        AARCH64, BOX, root, "3.9", ("-c", "import acme"), path=(Path("/wheel"), Path("/more")), ws=ws
    )
    assert command.argv[5:] == (str(root.root / "usr/bin/python3.9"), "-c", "import acme")
    assert command.env["PYTHONHOME"] == str(root.root / "usr")
    assert command.env["PYTHONPATH"] == "/wheel:/more"
    assert command.env["PYTHONDONTWRITEBYTECODE"] == command.env["PYTHONNOUSERSITE"] == "1"


def test_a_root_without_that_python_is_a_configuration_error(root: Sysroot, ws: Workspace) -> None:
    with pytest.raises(ConfigError, match=r"sysroot 'acme' has no Python 3\.11"):
        emulated_python(AARCH64, BOX, root, "3.11", (), ws=ws)


@pytest.mark.parametrize(
    ("model", "features", "option"),
    [
        ("max", ("fp", "sve"), "max,sme=off,pauth=off"),
        ("max", None, "max"),
        ("cortex-a53", ("fp",), "cortex-a53"),
        ("a64fx", ("fp",), "a64fx,sve=off"),
    ],
)
def test_what_the_box_lacks_is_switched_off_where_the_emulator_can(
    model: str, features: tuple[str, ...] | None, option: str
) -> None:
    assert cpu_option(CpuSpec(model="m", emulated_as=model, features=features)) == option


def test_an_x86_box_has_what_its_contract_says_and_no_more() -> None:
    option = cpu_option(CpuSpec(model="m", emulated_as="qemu64", features=("sse2", "pni", "ssse3")))
    assert "sse3" not in [each.removesuffix("=off") for each in option.split(",")[1:]]
    assert {"sse4.1=off", "avx=off", "avx2=off", "popcnt=off"} <= set(option.split(","))


def test_what_cannot_be_switched_off_is_named() -> None:
    bare = CpuSpec(model="m", emulated_as="cortex-a53", features=("fp", "asimd", "crc32"))
    assert beyond_box(bare, AARCH64) == ("aes", "pmull", "sha1", "sha2")
    unknown = CpuSpec(model="m", emulated_as="cortex-a53")
    assert beyond_box(unknown, AARCH64) == beyond_box(DESK.cpu, X86_64) == ()
