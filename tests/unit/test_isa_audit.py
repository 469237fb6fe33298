"""What the box's CPU lacks is refused where nothing asks for it first, advised where something does."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from edgebuild.audit.isa import check_isa, with_implied
from edgebuild.model.contract import Contract, CpuSpec, Provided
from edgebuild.model.elf import ElfFacts, IsaUse
from edgebuild.model.finding import Finding
from edgebuild.model.tree import TreeFacts

A53 = ("fp", "asimd", "evtstrm", "crc32", "cpuid")
DOT = {"asimddp": IsaUse(count=3, where="gemm_u8+0x40")}


def elf(
    name: str = "lib/libx.so",
    isa: Mapping[str, IsaUse] | None = None,
    *,
    machine: str = "EM_AARCH64",
    dispatch: tuple[str, ...] = (),
    needed: tuple[str, ...] = (),
    undefined: tuple[str, ...] = (),
    exported: tuple[str, ...] = (),
) -> ElfFacts:
    return ElfFacts(
        name=name, machine=machine, bits=64, endianness="little", kind="shared", soname=name.rpartition("/")[2],
        isa=isa, dispatch=dispatch, needed=needed, undefined=undefined, exported=exported,
    )  # fmt: skip


def check(
    *elves: ElfFacts, features: tuple[str, ...] | None = A53, model: str = "cortex-a53", arch: str = "aarch64"
) -> list[Finding]:
    cpu = CpuSpec(model=model, emulated_as="cortex-a53", features=features)
    contract = Contract(title="box", arch=arch, cpu=cpu, libraries={})  # type: ignore[arg-type]
    return list(check_isa(TreeFacts(path="x", kind="folder", elves=elves), Provided(contract)))


def test_a_use_that_nothing_asks_for_is_refused_and_says_everything() -> None:
    (found,) = check(elf(isa=DOT))
    assert (found.code, found.severity, found.file) == ("A111", "error", "lib/libx.so")
    assert found.symbol == "gemm_u8+0x40"
    assert found.message == (
        "uses asimddp (3 times, first in gemm_u8+0x40); 'cortex-a53' lacks it, "
        "and nothing in the file asks for it first"
    )
    assert "-mcpu=cortex-a53" in found.hint


def test_a_use_in_a_file_that_asks_is_advice() -> None:
    (found,) = check(elf(isa=DOT, dispatch=("getauxval",)))
    assert (found.code, found.severity, found.refuses) == ("A112", "advice", False)
    assert "getauxval" in found.message


def test_what_the_cpu_has_is_fine() -> None:
    uses = {"crc32": IsaUse(count=9, where="crc"), "asimddp": IsaUse(count=1, where="f")}
    assert check(elf(isa=uses), features=(*A53, "asimddp")) == []
    assert [found.message.count("crc32") for found in check(elf(isa=uses))] == [0]


def test_guarded_uses_are_no_finding() -> None:
    assert check(elf(isa={"atomics": IsaUse(count=0, guarded=40, where="__aarch64_ldadd4")})) == []


def test_a_file_without_uses_passes_whatever_is_known_of_the_cpu() -> None:
    assert check(elf(isa={}), elf("lib/liby.so", None), features=None) == []


@pytest.mark.parametrize(("dispatch", "code"), [((), "A111"), (("ifunc",), "A112")])
def test_without_a_list_of_features_nobody_can_say(dispatch: tuple[str, ...], code: str) -> None:
    (found,) = check(elf(isa=DOT, dispatch=dispatch), features=None)
    assert (found.code, found.severity, found.refuses) == (code, "unknown", True)
    assert "probe" in found.hint


def test_a_feature_brings_what_it_implies() -> None:
    uses = {each: IsaUse(count=1, where="f") for each in ("sve", "asimdhp", "fphp", "fcma")}
    assert check(elf(isa=uses), features=("sve2",)) == []
    assert with_implied(["avx512_vnni"]) >= {"avx512f", "avx2", "fma", "f16c", "avx", "sse4_2", "popcnt", "pni"}
    assert "atomics" not in with_implied(["sve2"])


def test_atomics_are_told_how_to_keep_both() -> None:
    (found,) = check(elf(isa={"atomics": IsaUse(count=1, where="spin_lock")}))
    assert "-moutline-atomics" in found.hint
    assert "once, in spin_lock" in found.message


def test_many_features_are_summed_up_by_how_often() -> None:
    uses = {f"sve{n}": IsaUse(count=n, where=f"f{n}") for n in range(1, 6)}
    (found,) = check(elf(isa=uses))
    assert "uses sve5 (5 times, first in f5), sve4 (4 times, first in f4), sve3 (3 times, first in f3) and 2 more" in (
        found.message
    )


def test_a_kernels_name_for_a_cpu_is_no_compilers() -> None:
    (found,) = check(elf(isa=DOT), model="ARMv8 Processor rev 4 (v8l)")
    assert "-mcpu=cortex-a53" in found.hint


ASKER = elf("lib/libcore.so.4", {}, dispatch=("getauxval",), exported=("_ZN2cv20checkHardwareSupportEi",))
MIDDLE = elf("lib/libmiddle.so", {}, needed=("libcore.so.4",))
QUESTION = ("_ZN2cv20checkHardwareSupportEi", "memcpy@GLIBC_2.17")


@pytest.mark.parametrize(
    ("needed", "others"),
    [(("libcore.so.4",), (ASKER,)), (("libmiddle.so",), (MIDDLE, ASKER))],
    ids=["directly", "through another"],
)
def test_a_question_put_to_a_bundled_library_counts(needed: tuple[str, ...], others: tuple[ElfFacts, ...]) -> None:
    (found,) = check(elf(isa=DOT, needed=needed, undefined=QUESTION), *others)
    assert (found.code, found.severity) == ("A112", "advice")
    assert "_ZN2cv20checkHardwareSupportEi of libcore.so.4" in found.message


def test_a_bundled_library_that_asks_nobody_cannot_answer() -> None:
    liar = elf("lib/libcore.so.4", {}, exported=("_ZN2cv20checkHardwareSupportEi",))
    (found,) = check(elf(isa=DOT, needed=("libcore.so.4",), undefined=QUESTION), liar)
    assert found.code == "A111"


def test_a_library_that_asks_does_not_speak_for_who_does_not_ask_it() -> None:
    (found,) = check(elf(isa=DOT, needed=("libcore.so.4",), undefined=("memcpy@GLIBC_2.17",)), ASKER)
    assert found.code == "A111"


def test_a_question_put_to_a_library_of_the_box_is_believed() -> None:
    (found,) = check(elf(isa=DOT, needed=("libavutil.so.56",), undefined=("av_get_cpu_flags@LIBAVUTIL_56",)))
    assert found.code == "A112"
    (found,) = check(elf(isa=DOT, undefined=("get_cpu_features@GLIBC_2.17",)))
    assert found.code == "A111"


def test_the_loader_chooses_folders_by_the_cpu() -> None:
    uses = {"avx2": IsaUse(count=1, where="f"), "fma": IsaUse(count=1, where="f")}
    inside = elf("usr/lib/glibc-hwcaps/x86-64-v3/libx.so.1", uses, machine="EM_X86_64")
    assert check(inside, features=("sse2",), arch="x86_64") == []
    below = elf("usr/lib/glibc-hwcaps/x86-64-v2/libx.so.1", uses, machine="EM_X86_64")
    (found,) = check(below, features=("sse2",), arch="x86_64", model="x86-64")
    assert "-march=x86-64" in found.hint
