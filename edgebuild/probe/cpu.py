"""/proc/cpuinfo -> what every core of the box can do."""

from __future__ import annotations

import re

from edgebuild.model.arch import ArchName
from edgebuild.model.contract import CpuSpec
from edgebuild.model.emulated_cpu import nearest_lower_cpu

# Arm Ltd's own cores, which have names; others are shown as numbers. Source: MIDR_EL1 in each core's TRM.
_ARM_LTD = "0x41"
_CORES = {
    "0xd03": "cortex-a53", "0xd04": "cortex-a35", "0xd05": "cortex-a55", "0xd07": "cortex-a57", "0xd08": "cortex-a72",
    "0xd09": "cortex-a73", "0xd0a": "cortex-a75", "0xd0b": "cortex-a76", "0xd0c": "neoverse-n1", "0xd0d": "cortex-a77",
    "0xd0e": "cortex-a76ae", "0xd40": "neoverse-v1", "0xd41": "cortex-a78", "0xd42": "cortex-a78ae",
    "0xd44": "cortex-x1", "0xd46": "cortex-a510", "0xd47": "cortex-a710", "0xd49": "neoverse-n2",
    "0xd4b": "cortex-a78c", "0xd4d": "cortex-a715", "0xd4f": "neoverse-v2", "0xd80": "cortex-a520",
    "0xd81": "cortex-a720",
}  # fmt: skip
_SHOWN = re.compile(r"BogoMIPS|CPU (implementer|architecture|variant|part|revision)")


def read_cpu(cpuinfo: str | None, arch: ArchName) -> CpuSpec:
    """cpuinfo: None where nobody could look: then the lowest CPU is assumed for emulation, and features are unknown."""
    cores = _cores(cpuinfo or "")
    lists = [each.split() for core in cores if (each := core.get("Features") or core.get("flags"))]
    if not lists:
        return CpuSpec(model="unknown", emulated_as=nearest_lower_cpu(arch, None))
    # A program may be moved from a big core to a little one at any time: only what all have counts.
    features = tuple(each for each in lists[0] if all(each in other for other in lists[1:]))
    parts = list(dict.fromkeys(core["CPU part"] for core in cores if "CPU part" in core))
    names = list(dict.fromkeys(filter(None, map(_name, cores))))
    shown = {key: value for key, value in cores[0].items() if _SHOWN.fullmatch(key)}
    if arch == "aarch64":
        shown = {**{k: v for k, v in shown.items() if k == "BogoMIPS"}, "Features": " ".join(features), **shown}
    else:
        shown = {}
    return CpuSpec(
        model=" + ".join(names) or "unknown",
        emulated_as=nearest_lower_cpu(arch, features, parts),
        features=features,
        cpuinfo=shown,
    )


def _cores(cpuinfo: str) -> list[dict[str, str]]:
    """One table per "processor" line. Old Arm kernels say what all cores share once, behind the last one or before
    the first: it belongs to each."""
    cores: list[dict[str, str]] = []
    before: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, colon, value = (part.strip() for part in line.partition(":"))
        if key == "processor" and value.isdigit():
            cores.append({})
        elif colon:
            (cores[-1] if cores else before)[key] = value
    cores = cores or [before]
    shared = {**before, **cores[-1]} if sum("Features" in core for core in cores) == 1 else before
    return [{**shared, **core} for core in cores]


def _name(core: dict[str, str]) -> str:
    implementer, part = core.get("CPU implementer", ""), core.get("CPU part", "")
    if implementer == _ARM_LTD and part in _CORES:
        return _CORES[part]
    if "model name" in core:
        return core["model name"]
    return f"implementer {implementer} part {part}" if part else ""
