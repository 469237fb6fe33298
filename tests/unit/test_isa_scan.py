"""Code is told from data, guarded uses from others, and a question about the CPU from one about something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.elf import read_elf
from edgebuild.elf.isa import scan_isa
from edgebuild.errors import AuditError
from edgebuild.model.elf import IsaUse
from tests.code_elf import CODE, Code, adrp, call, write

NOP, RET, UDOT, SVE_ADD, LDADDAL = 0xD503201F, 0xD65F03C0, 0x6E829420, 0x04E20020, 0xB8E00041
BTI = 0xD503245F
FLAG = CODE + 0x12345  # of outline atomics
MOV_W0 = 0x52800000
MUCH = [NOP] * 63 + [RET]  # a known function that makes the rest a small part of the code
STP, LDP = 0xA9BF7BFD, 0xA8C17BFD
AT_HWCAP, AT_PAGESZ = 16, 6


def scan(tmp_path: Path, code: Code) -> tuple[dict[str, IsaUse], tuple[str, ...]]:
    path = tmp_path / "libx.so"
    path.write_bytes(write(code))
    return scan_isa(path, read_elf(path))


def functions(*sizes: int) -> tuple[tuple[str, int, int], ...]:
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return tuple((f"f{number}", start, size) for number, (start, size) in enumerate(zip(starts, sizes, strict=True)))


def outline(offset: int, *, prefix: tuple[int, ...] = ()) -> list[int]:
    """libgcc's helper for one atomic operation, at an offset in the code."""
    at = offset + 4 * len(prefix)
    test = [adrp(16, at, FLAG), 0x39400210 | (FLAG & 0xFFF) << 10, 0x34000070]
    return [*prefix, *test, LDADDAL, RET, 0x885FFC50, 0x880FFC51, RET]


def initialiser(offset: int, *, argument: int = AT_HWCAP, flag: int = FLAG) -> list[int]:
    """libgcc's init_have_lse_atomics, at an offset in the code."""
    head = [STP, MOV_W0 | argument << 5, 0x910003FD]
    ubfx, strb = 0xD3482000, 0x39000020 | (flag & 0xFFF) << 10
    return [*head, call(offset + 12), ubfx, adrp(1, offset + 20, flag), strb, LDP, RET]


def test_uses_are_counted_and_the_first_one_named(tmp_path: Path) -> None:
    code = Code(words=[NOP, RET, NOP, UDOT, UDOT, RET], functions=functions(8, 16), symtab=True, marks={0: "$x"})
    uses, signs = scan(tmp_path, code)
    assert uses == {"asimddp": IsaUse(count=2, where="f1+0x4")}
    assert signs == ()


def test_without_symbols_the_address_is_named(tmp_path: Path) -> None:
    uses, _ = scan(tmp_path, Code(words=[NOP, UDOT, RET], functions=functions(12)))
    assert uses == {"asimddp": IsaUse(count=1, where=f"{CODE + 4:#x}")}


@pytest.mark.parametrize("sections", [True, False])
def test_data_between_functions_is_no_code(tmp_path: Path, sections: bool) -> None:
    """A table in .text, as assembly for ciphers keeps it: without symbols, unwind records tell it from code."""
    words = [NOP, RET, SVE_ADD, UDOT, SVE_ADD, LDADDAL, NOP, RET, *[NOP] * 8, RET]
    code = Code(words=words, functions=(("a", 0, 8), ("b", 24, 44)), sections=sections)
    assert scan(tmp_path, code) == ({}, ())


def test_mapping_symbols_decide_where_there_are_any(tmp_path: Path) -> None:
    words = [NOP, RET, SVE_ADD, SVE_ADD, UDOT, RET]
    whole = (("f", 0, 24),)
    code = Code(words=words, functions=whole, symtab=True, marks={0: "$x", 8: "$d.1", 16: "$x.2"})
    uses, _ = scan(tmp_path, code)
    assert set(uses) == {"asimddp"}


def test_code_without_records_is_found_through_branches(tmp_path: Path) -> None:
    """Known f calls 0x20, which goes on to 0x30; the words in between and behind are data."""
    words = [NOP, call(4, CODE + 0x20), RET, NOP, *[NOP] * 12, RET, *[SVE_ADD] * 3]
    words[3:8] = [SVE_ADD] * 5
    words[8:12] = [UDOT, 0x540000A0 - 0x40, RET, SVE_ADD]  # udot; b.eq 0x30; ret
    words[12:16] = [LDADDAL, RET, SVE_ADD, SVE_ADD]
    code = Code(words=[*words, *MUCH], functions=(("f", 0, 12), ("g", 4 * len(words), 4 * len(MUCH))))
    uses, _ = scan(tmp_path, code)
    assert {feature: use.count for feature, use in uses.items()} == {"asimddp": 1, "atomics": 1}


def test_a_run_into_what_is_no_instruction_is_data(tmp_path: Path) -> None:
    words = [call(0, CODE + 0x10), RET, NOP, NOP, UDOT, 0x62000000, RET, NOP]
    uses, _ = scan(tmp_path, Code(words=[*words, *MUCH], functions=(("f", 0, 8), ("g", 32, 4 * len(MUCH)))))
    assert uses == {}


def test_where_nothing_names_the_code_a_use_is_only_possible(tmp_path: Path) -> None:
    code = Code(words=[NOP, UDOT, RET], functions=(), unwind=False, sections=False)
    uses, signs = scan(tmp_path, code)
    assert set(uses) == {"asimddp"}
    assert signs == ("code that nothing names",)


@pytest.mark.parametrize("prefix", [(), (BTI,)])
def test_outline_atomics_are_guarded(tmp_path: Path, prefix: tuple[int, ...]) -> None:
    words = outline(0, prefix=prefix)
    uses, signs = scan(tmp_path, Code(words=words, functions=functions(4 * len(words))))
    assert uses["atomics"].count == 0
    assert uses["atomics"].guarded == 1
    assert signs == ()


@pytest.mark.parametrize("place", [0, 1, 2, 4])
def test_what_only_looks_like_an_outline_helper_is_not_guarded(tmp_path: Path, place: int) -> None:
    words = outline(0)
    words[place] = NOP
    uses, _ = scan(tmp_path, Code(words=words, functions=functions(4 * len(words))))
    assert uses["atomics"].count == 1


CNTD_X0, STG_X8, IRG_X8, MRS_TPIDR2, STR_ZA, SMSTOP_ZA = (
    0x04E0E3E0, 0xD9200908, 0x9ADF1108, 0xD53BD0B0, 0xE1206200, 0xD503447F,
)  # fmt: skip


@pytest.mark.parametrize(
    ("feature", "words", "count", "guarded"),
    [
        ("sve", [CNTD_X0, 0x93407C05, RET, CNTD_X0, RET], 0, 2),
        ("sve", [CNTD_X0, SVE_ADD, RET], 2, 0),
        ("sve", [CNTD_X0, *[NOP] * 80, SVE_ADD, RET], 1, 1),
        ("sve", [CNTD_X0 + 1, RET], 1, 0),
        ("mte", [STG_X8, RET], 0, 1),
        ("mte", [IRG_X8, STG_X8, RET], 2, 0),
        ("sme", [MRS_TPIDR2, 0xB40001F0, STR_ZA, SMSTOP_ZA, RET], 0, 3),
        ("sme", [NOP, STR_ZA, RET], 1, 0),
    ],
)
def test_what_unwinders_ask_of_frames_that_need_it_is_guarded(
    feature: str, words: list[int], count: int, guarded: int, tmp_path: Path
) -> None:
    """They are part of every C++ program that is linked statically, and of libgcc_s."""
    uses, _ = scan(tmp_path, Code(words=words, functions=functions(4 * len(words))))
    assert (uses[feature].count, uses[feature].guarded) == (count, guarded)


def with_question(question: list[int], *, imports: str = "getauxval") -> Code:
    """An outline helper, a question at 0x40, and a use that nothing guards."""
    words = [*outline(0), *[NOP] * 8, *question, UDOT, RET]
    return Code(words=words, functions=((("all"), 0, 4 * len(words)),), imports=imports)


@pytest.mark.parametrize("name", ["getauxval", "__getauxval"])
def test_who_asks_for_features_dispatches(tmp_path: Path, name: str) -> None:
    question = [MOV_W0 | AT_HWCAP << 5, call(0x44), 0xB9000020, RET]  # stores all of the answer
    _, signs = scan(tmp_path, with_question(question, imports=name))
    assert signs == (name,)


def test_the_initialiser_of_outline_atomics_is_no_sign(tmp_path: Path) -> None:
    uses, signs = scan(tmp_path, with_question(initialiser(0x40)))
    assert uses["asimddp"].count == 1
    assert signs == ()


def test_an_initialiser_of_another_flag_is_a_sign(tmp_path: Path) -> None:
    _, signs = scan(tmp_path, with_question(initialiser(0x40, flag=FLAG + 1)))
    assert signs == ("getauxval",)


def test_who_asks_for_the_page_size_does_not_dispatch(tmp_path: Path) -> None:
    _, signs = scan(tmp_path, with_question([MOV_W0 | AT_PAGESZ << 5, call(0x44), RET]))
    assert signs == ()


def test_a_question_that_cannot_be_made_out_is_a_sign(tmp_path: Path) -> None:
    _, signs = scan(tmp_path, with_question([0x2A0103E0, call(0x44), RET]))  # mov w0, w1
    assert signs == ("getauxval",)


def test_a_read_of_an_id_register_is_a_sign(tmp_path: Path) -> None:
    uses, signs = scan(tmp_path, Code(words=[0xD5380600, UDOT, RET], functions=functions(12)))
    assert set(uses) == {"asimddp"}
    assert signs == ("MRS of an ID register",)


@pytest.mark.parametrize("text", ["/proc/cpuinfo", "/proc/self/auxv"])
def test_a_file_that_tells_features_is_a_sign(tmp_path: Path, text: str) -> None:
    assert scan(tmp_path, Code(words=[UDOT, RET], functions=functions(8), texts=[text]))[1] == (text,)


def test_a_function_chosen_at_load_is_a_sign(tmp_path: Path) -> None:
    assert scan(tmp_path, Code(words=[UDOT, RET], functions=functions(8), resolver=True))[1] == ("ifunc",)


def test_hostile_tables_end_in_an_error_of_ours_or_in_a_result(tmp_path: Path) -> None:
    content = write(Code(words=[NOP, UDOT, RET] * 40, functions=functions(240, 240), symtab=True, imports="getauxval"))
    path = tmp_path / "libx.so"
    path.write_bytes(content)
    facts = read_elf(path)
    for place in range(64, min(len(content), 0x800), 13):
        for value in (b"\xff" * 8, b"\0" * 8):
            path.write_bytes(content[:place] + value + content[place + 8 :])
            try:
                scan_isa(path, facts)
            except AuditError:
                continue


def test_x86_features_have_the_kernels_names(tmp_path: Path) -> None:
    texts = (
        "c5fc57c0",  # vxorps ymm0, ymm0, ymm0
        "c5fdefc0",  # vpxor ymm0, ymm0, ymm0
        "f30fb8c0",  # popcnt eax, eax
        "f30fbdc0",  # lzcnt eax, eax
        "f30fbcc0",  # tzcnt eax, eax: BSF on older CPUs
        "f30f1efa",  # endbr64: NOP on older CPUs
        "c3",
    )
    raw = b"".join(map(bytes.fromhex, texts))
    code = Code(raw=raw, machine=62, functions=(("kernel", 0, len(raw)),), symtab=True)
    uses, signs = scan(tmp_path, code)
    assert {feature: use.where for feature, use in uses.items()} == {
        "avx": "kernel",
        "avx2": "kernel+0x4",
        "popcnt": "kernel+0x8",
        "abm": "kernel+0xc",
    }
    assert signs == ()


def test_x86_cpuid_is_a_sign(tmp_path: Path) -> None:
    raw = bytes.fromhex("0fa2c5fc57c0c3")
    uses, signs = scan(tmp_path, Code(raw=raw, machine=62, functions=(("f", 0, len(raw)),)))
    assert set(uses) == {"avx"}
    assert signs == ("CPUID",)


def test_other_machines_are_not_looked_at(tmp_path: Path) -> None:
    assert scan(tmp_path, Code(words=[UDOT], machine=243)) == ({}, ())
