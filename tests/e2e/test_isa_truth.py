"""Instruction checks against an emulated CPU: what is refused traps, what passes runs, what is advised was asked for.

The CPU's features are the emulator's own word, not a list of ours.
"""

from __future__ import annotations

import re
import signal
from operator import attrgetter
from pathlib import Path

import msgspec
import pytest

from edgebuild.audit.isa import check_isa
from edgebuild.elf import read_elf
from edgebuild.elf.isa import scan_isa
from edgebuild.model.contract import Contract, CpuSpec, Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.finding import Finding
from edgebuild.model.tree import TreeFacts
from edgebuild.workspace import Workspace
from tests.corpus.shop import Shop, root
from tests.e2e.harness import NEW_ROOT, Ended, call
from tests.e2e.isa_programs import (
    ASKS,
    CPUID,
    CPUID_NAMES,
    FAST,
    HWCAP2_NAMES,
    HWCAP_NAMES,
    HWCAPS,
    USES,
    X86_USES,
    Program,
)

ARM_CPUS = ("cortex-a53", "cortex-a72", "cortex-a76", "a64fx", "max")
X86_CPUS = ("qemu64", "Nehalem", "Haswell")
_RUN_S = 60


@pytest.fixture(scope="session")
def shop(cache: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("isa"), cache)


@pytest.fixture(scope="session")
def contracts(shop: Shop) -> dict[str, Provided]:
    """CPU -> a box with exactly the features that the emulator says it has."""
    ask = build(shop, Program("hwcaps", HWCAPS), "aarch64")
    ask_x86 = build(shop, Program("cpuid", CPUID), "x86_64")
    features = {}
    for cpu in ARM_CPUS:
        words = [int(word, 16) for word in run_on(shop, cpu, ask).succeed().stdout.split()]
        names = zip((HWCAP_NAMES.split(), HWCAP2_NAMES.split()), words, strict=True)
        features[cpu] = tuple(name for table, word in names for bit, name in enumerate(table) if word >> bit & 1)
    for cpu in X86_CPUS:
        words = [int(word, 16) for word in run_on(shop, cpu, ask_x86).succeed().stdout.split()]
        tables = zip(CPUID_NAMES, words, strict=True)
        features[cpu] = tuple(name for table, word in tables for bit, name in table.items() if word >> bit & 1)
    return {cpu: Provided(box(cpu, has)) for cpu, has in features.items()}


def box(cpu: str, features: tuple[str, ...]) -> Contract:
    arch = "x86_64" if cpu in X86_CPUS else "aarch64"
    spec = CpuSpec(model=cpu, emulated_as=cpu, features=features)
    return Contract(title=cpu, arch=arch, cpu=spec, libraries={})  # type: ignore[arg-type]


def build(shop: Shop, program: Program, arch: str) -> Path:
    """Once; stripped, because that is harder."""
    file = re.sub(r"\W+", "-", program.name)
    output = shop.folder / f"{arch}-{file}"
    if output.exists():
        return output
    if program.compiler == "gcc":
        return shop.gcc(output, program.source, "-s", *program.flags)
    flags = tuple(flag for flag in program.flags if flag != "musl")
    libc = "musl" if "musl" in program.flags else "gnu.2.17"
    baseline = "x86_64" if arch == "x86_64" else "generic"
    # An architecture version is one of zig's features, and spelled v8_2a.
    cpu = f"{baseline}+{program.cpu.replace('.', '_')}" if program.cpu else ""
    return shop.zig(output, program.source, *flags, arch=arch, libc=libc, cpu=cpu)


def run_on(shop: Shop, cpu: str, program: Path, *, libraries: Path | None = None) -> Ended:
    if cpu in X86_CPUS:
        return call("qemu-x86_64-static", "-cpu", cpu, program, timeout_s=_RUN_S)
    preload = ("-E", f"LD_LIBRARY_PATH={libraries}") if libraries else ()
    return call("qemu-aarch64-static", "-cpu", cpu, "-L", root(shop.ws, NEW_ROOT), *preload, program, timeout_s=_RUN_S)


def trapped(ended: Ended) -> bool:
    """The emulator dies of the signal that its program died of."""
    return ended.code in (-signal.SIGILL, 128 + signal.SIGILL)


def facts(path: Path) -> ElfFacts:
    elf = read_elf(path)
    isa, dispatch = scan_isa(path, elf)
    return msgspec.structs.replace(elf, isa=isa, dispatch=dispatch)


def judge(provided: Provided, *paths: Path) -> list[Finding]:
    return list(check_isa(TreeFacts(path=".", kind="folder", elves=tuple(map(facts, paths))), provided))


@pytest.mark.parametrize("cpu", ARM_CPUS)
@pytest.mark.parametrize("program", USES, ids=attrgetter("name"))
def test_a_program_traps_exactly_where_it_is_refused(
    program: Program, cpu: str, shop: Shop, contracts: dict[str, Provided]
) -> None:
    path = build(shop, program, "aarch64")
    codes = [found.code for found in judge(contracts[cpu], path)]
    ended = run_on(shop, cpu, path)
    assert codes in ([], ["A111"]), codes
    assert trapped(ended) == (codes == ["A111"]), f"{codes}, exit {ended.code}\n{ended.stderr}"
    assert trapped(ended) or ended.code == 0


@pytest.mark.parametrize("cpu", ARM_CPUS)
@pytest.mark.parametrize("program", ASKS, ids=attrgetter("name"))
def test_a_program_that_asks_first_runs_and_is_advised(
    program: Program, cpu: str, shop: Shop, contracts: dict[str, Provided]
) -> None:
    path = build(shop, program, "aarch64")
    has_dot = "asimddp" in (contracts[cpu].contract.cpu.features or ())
    found = judge(contracts[cpu], path)
    assert [each.code for each in found] == ([] if has_dot else ["A112"])
    assert all(program.sign in each.message for each in found)
    run_on(shop, cpu, path).succeed()


def test_some_cpu_lacks_what_each_program_uses_and_some_cpu_has_it(shop: Shop, contracts: dict[str, Provided]) -> None:
    """Otherwise the tests above could pass without having seen a trap, or a run."""
    harmless = {"baseline", "fp16 in memory only", "returns signed, as hints", "table in the code"}
    harmless |= {"gcc outline atomics", "zig outline atomics"}
    harmless |= {"crc", "aes", "pmull", "sha1", "sha2"}  # every emulated CPU has these
    for program in USES:
        path = build(shop, program, "aarch64")
        refused = {cpu for cpu in ARM_CPUS if judge(contracts[cpu], path)}
        assert (not refused) == (program.name in harmless), (program.name, refused)
        assert "max" not in refused or program.name == "sm4"


def test_a_worker_library_may_ask_through_another(shop: Shop, contracts: dict[str, Provided]) -> None:
    """As OpenCV's modules do; and without the question it is refused and traps."""
    core = shop.library(
        shop.folder / "libcore.so",
        "#include <sys/auxv.h>\nint checkHardwareSupport(int bit) { return getauxval(AT_HWCAP) >> bit & 1; }\n",
    )
    fast = _worker("if (checkHardwareSupport(20)) ")
    asking = shop.library(shop.folder / "libasking.so", fast, f"-L{shop.folder}", "-lcore")
    blunt = shop.library(shop.folder / "libblunt.so", _worker("if (checkHardwareSupport != 0) "), f"-L{shop.folder}")
    for library, code in ((asking, "A112"), (blunt, "A111")):
        main = shop.gcc(
            shop.folder / f"use-{library.stem}", "void work(void);\nint main(void) { work(); return 0; }\n",
            f"-L{shop.folder}", f"-l{library.stem[3:]}", "-lcore",
        )  # fmt: skip
        for cpu, expected in (("cortex-a53", [code]), ("cortex-a76", [])):
            assert [found.code for found in judge(contracts[cpu], library, core)] == expected
            ended = run_on(shop, cpu, main, libraries=shop.folder)
            assert trapped(ended) == (expected == ["A111"]), f"{library.name} on {cpu}\n{ended.stderr}"


def _worker(question: str) -> str:
    declared = "int checkHardwareSupport(int);\n" if "(20)" in question else "static int checkHardwareSupport = 1;\n"
    return f"{declared}{FAST}void work(void) {{ {question}fast(); }}\n"


@pytest.mark.parametrize("cpu", X86_CPUS)
@pytest.mark.parametrize("program", X86_USES, ids=attrgetter("name"))
def test_an_x86_program_traps_exactly_where_it_is_refused(
    program: Program, cpu: str, shop: Shop, contracts: dict[str, Provided]
) -> None:
    path = build(shop, program, "x86_64")
    codes = [found.code for found in judge(contracts[cpu], path)]
    ended = run_on(shop, cpu, path)
    assert set(codes) <= ({"A112"} if program.sign else {"A111"}), codes
    assert trapped(ended) == (codes == ["A111"]), f"{codes}, exit {ended.code}\n{ended.stderr}"
