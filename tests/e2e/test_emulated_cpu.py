"""What a box's CPU lacks traps under emulation, as far as the emulator can leave it out; what it cannot is named."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from edgebuild.build.emulate import beyond_box, cpu_option
from edgebuild.model.arch import ARCHES
from edgebuild.model.contract import CpuSpec
from edgebuild.run import Command, run

_TIMEOUT_S = 120
ARM_FLOOR = ("fp", "asimd", "evtstrm", "cpuid")
X86_FLOOR = ("fpu", "cx8", "cmov", "mmx", "fxsr", "sse", "sse2")
# Compiler flag and a line of C for a feature; `count` is the number of arguments, so nothing is folded away.
USES = {
    "sve": ("-march=armv8.2-a+sve", "#include <arm_sve.h>", "sink = svaddv_s32(svptrue_b32(), svdup_s32(count));"),
    "atomics": ("-march=armv8.1-a", "", "sink = __atomic_fetch_add(&sink, count, __ATOMIC_SEQ_CST);"),
    "asimddp": (
        "-march=armv8.2-a+dotprod",
        "#include <arm_neon.h>",
        "int8x16_t v = vdupq_n_s8(count); sink = vgetq_lane_s32(vdotq_s32(vdupq_n_s32(0), v, v), 0);",
    ),
    "aes": (
        "-march=armv8-a+crypto",
        "#include <arm_neon.h>",
        "uint8x16_t v = vdupq_n_u8(count); sink = vgetq_lane_u8(vaeseq_u8(v, v), 0);",
    ),
    "pni": ("-msse3", "#include <pmmintrin.h>", "__m128 v = _mm_set1_ps(count); sink = _mm_addsub_ps(v, v)[1];"),
}


def exit_code(feature: str, cpu: CpuSpec, folder: Path) -> int:
    """Of a program that does nothing but use the feature, as this CPU. 132: killed by SIGILL."""
    flag, include, use = USES[feature]
    (folder / "use.c").write_text(
        f"{include}\nvolatile int sink;\nint main(int count, char **w) {{ {use} return 0; }}\n"
    )
    arm = feature != "pni"
    compiler, emulator = ("aarch64-linux-gnu-gcc", "aarch64") if arm else ("gcc", "x86_64")
    run(Command(compiler, "-O1", flag, "-static", "use.c", "-o", "use", cwd=folder, timeout_s=_TIMEOUT_S))
    done = run(
        Command(f"qemu-{emulator}-static", "-cpu", cpu_option(cpu), folder / "use", timeout_s=_TIMEOUT_S), check=False
    )
    return done.returncode


@pytest.mark.parametrize(
    ("feature", "model", "floor"),
    [
        ("sve", "max", ARM_FLOOR),
        ("sve", "a64fx", ARM_FLOOR),
        ("pni", "qemu64", X86_FLOOR),
    ],
)
def test_an_optional_feature_traps_exactly_where_the_contract_lacks_it(
    feature: str, model: str, floor: tuple[str, ...], tmp_path: Path
) -> None:
    without = CpuSpec(model="box", emulated_as=model, features=floor)
    with_it = CpuSpec(model="box", emulated_as=model, features=(*floor, feature))
    assert exit_code(feature, without, tmp_path) == -signal.SIGILL
    assert exit_code(feature, with_it, tmp_path) == 0


@pytest.mark.parametrize("feature", ["atomics", "asimddp", "sve"])
def test_what_the_model_itself_lacks_traps(feature: str, tmp_path: Path) -> None:
    box = CpuSpec(model="box", emulated_as="cortex-a53", features=ARM_FLOOR)
    assert exit_code(feature, box, tmp_path) == -signal.SIGILL


def test_what_the_emulator_cannot_leave_out_is_named(tmp_path: Path) -> None:
    """The day this emulator can, this fails: then it belongs into cpu_option()."""
    box = CpuSpec(model="box", emulated_as="cortex-a53", features=ARM_FLOOR)
    assert "aes" in beyond_box(box, ARCHES["aarch64"])
    assert exit_code("aes", box, tmp_path) == 0
