"""Which CPUs the emulator knows, and which of them comes nearest to a box from below."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgebuild.model.arch import ArchName

_ARMV8_0 = "fp asimd aes pmull sha1 sha2 crc32"
_ARMV8_2 = f"{_ARMV8_0} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
_X86_64 = "fpu tsc cx8 cmov mmx fxsr sse sse2 syscall nx lm"
_X86_64_V2 = f"{_X86_64} cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2"
_X86_64_V3 = f"{_X86_64_V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"


@dataclass(frozen=True)
class EmulatedCpu:
    """features: in words of /proc/cpuinfo. part: "CPU part" of the core that it is, "" for none in particular."""

    name: str
    arch: ArchName
    features: frozenset[str]
    part: str = ""


def _arm(name: str, features: str, part: str) -> EmulatedCpu:
    return EmulatedCpu(name, "aarch64", frozenset(features.split()), part)


def _x86(name: str, features: str) -> EmulatedCpu:
    return EmulatedCpu(name, "x86_64", frozenset(features.split()))


# Lowest first. Arm: AT_HWCAP that qemu-aarch64 7.2 gives a program, asked of each -cpu. x86: the levels of the System V
# ABI's AMD64 supplement; qemu-x86_64 7.2 emulates no more than v3.
EMULATED_CPUS = (
    _arm("cortex-a35", _ARMV8_0, "0xd04"),
    _arm("cortex-a53", _ARMV8_0, "0xd03"),
    _arm("cortex-a57", _ARMV8_0, "0xd07"),
    _arm("cortex-a72", _ARMV8_0, "0xd08"),
    _arm("cortex-a76", _ARMV8_2, "0xd0b"),
    _arm("neoverse-n1", _ARMV8_2, "0xd0c"),
    _arm("a64fx", f"{_ARMV8_0} atomics fphp asimdhp asimdrdm fcma dcpop sve", "0x001"),
    _x86("qemu64", _X86_64),
    _x86("Nehalem", _X86_64_V2),
    _x86("Haswell", _X86_64_V3),
)
_DEFAULT: dict[ArchName, str] = {"aarch64": "cortex-a53", "x86_64": "qemu64"}


def nearest_lower_cpu(arch: ArchName, features: Iterable[str] | None, parts: Iterable[str] = ()) -> str:
    """The CPU with the most of the box's features and none beyond them.

    Where each has some that the box lacks: one with the fewest such. features: None where they are unknown, which
    gives the lowest. parts: of the box's cores; between equals the same core counts.
    """
    if features is None:
        return _DEFAULT[arch]
    box, cores = frozenset(features), frozenset(parts)

    def rank(cpu: EmulatedCpu) -> tuple[int, int, bool, bool]:
        return len(cpu.features - box), -len(cpu.features & box), cpu.part not in cores, cpu.name != _DEFAULT[arch]

    return min((cpu for cpu in EMULATED_CPUS if cpu.arch == arch), key=rank).name


def features_beyond(name: str, features: Iterable[str] | None) -> tuple[str, ...]:
    """What an emulated CPU has and the box lacks: code that uses it traps on the box only."""
    if features is None:
        return ()
    beyond = [cpu.features - frozenset(features) for cpu in EMULATED_CPUS if cpu.name == name]
    return tuple(sorted(beyond[0])) if beyond else ()
