"""The floor under several boxes: one contract that each of them keeps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Literal, TypeVar

import msgspec

from edgebuild.errors import ConfigError
from edgebuild.model.arch import ARCHES
from edgebuild.model.contract import Contract, CpuSpec, EngineFacts, ModelFacts, MountedFile, Provided, PythonFacts
from edgebuild.model.elf import parse_version
from edgebuild.model.emulated_cpu import EMULATED_CPUS, nearest_lower_cpu

T = TypeVar("T")
Nodes = Mapping[str, str]  # highest version per node family
_FREE_THREADED = re.compile(r"cpython-\d+t")


def merge_contracts(boxes: Sequence[Provided], title: str) -> Provided:
    """What every one of these boxes can load: what one of them lacks is missing, what one does not say is unknown.

    Raises ConfigError for boxes of different architectures.
    """
    contracts = [box.contract for box in boxes]
    first = contracts[0]
    for other in contracts[1:]:
        if other.arch != first.arch:
            msg = f"'{first.title}' is for {first.arch}, '{other.title}' for {other.arch}: no file loads on both"
            raise ConfigError(msg, "merge the contracts of each architecture by themselves.")
    contract = Contract(
        title=title,
        arch=first.arch,
        cpu=_merge_cpus(contracts),
        libraries=_merge_libraries([each.libraries for each in contracts]),
        page_size=_known(max, [each.page_size for each in contracts]),
        kernel=_lowest(each.kernel for each in contracts),
        glibc=_lowest(each.glibc for each in contracts),
        pythons=_merge_pythons([each.pythons for each in contracts]),
        programs=_known(_common, [each.programs for each in contracts]),
        loaders=_merge_loaders([each.loaders for each in contracts], ARCHES[first.arch].interpreter),
        engine=_merge_engines([each.engine for each in contracts]),
        model=_merge_models([each.model for each in contracts]),
        free_bytes=_known(min, [each.free_bytes for each in contracts]),
        versions=_merge_versions([each.versions for each in contracts]),
        sources=_merge_sources(contracts),
    )
    symbols = {
        library: frozenset.intersection(*(box.symbols[library] for box in boxes))
        for library in contract.libraries
        if all(library in box.symbols for box in boxes)
    }
    return Provided(contract, symbols)


def _known(choose: Callable[[list[T]], T], values: Sequence[T | None]) -> T | None:
    """Chosen among the values; None, which is unknown, when one of them is."""
    known = [value for value in values if value is not None]
    return choose(known) if len(known) == len(values) else None


def _lowest(versions: Iterable[str | None]) -> str | None:
    return _known(lambda known: min(known, key=parse_version), list(versions))


def _common(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """In the order of the first list."""
    return tuple(each for each in lists[0] if all(each in other for other in lists[1:]))


def _merge_cpus(contracts: Sequence[Contract]) -> CpuSpec:
    cpus = [each.cpu for each in contracts]
    features = _known(_common, [cpu.features for cpu in cpus])
    models = list(dict.fromkeys(cpu.model for cpu in cpus))
    emulated = {cpu.emulated_as for cpu in cpus}
    order = [cpu.name for cpu in EMULATED_CPUS]
    if len(emulated) == 1:
        (name,) = emulated
    elif features is not None:
        parts = {cpu.cpuinfo.get("CPU part", "") for cpu in cpus}
        name = nearest_lower_cpu(contracts[0].arch, features, parts)
    else:
        name = min(emulated, key=lambda each: (each not in order, order.index(each) if each in order else 0))
    shown = next((cpu for cpu in cpus if cpu.emulated_as == name), cpus[0])
    cpuinfo = dict(shown.cpuinfo)
    for key in ("Features", "flags"):
        if key in cpuinfo and features is not None:
            cpuinfo[key] = " ".join(features)
    return CpuSpec(model=" or ".join(models), emulated_as=name, features=features, cpuinfo=cpuinfo)


def _merge_libraries(boxes: Sequence[Mapping[str, Nodes]]) -> dict[str, dict[str, str]]:
    return {
        library: reduce(lower_nodes, (box[library] for box in boxes[1:]), dict(nodes))
        for library, nodes in boxes[0].items()
        if all(library in box for box in boxes)
    }


def lower_nodes(one: Nodes, other: Nodes) -> dict[str, str]:
    """Families that both have, each at its lower version."""
    return {family: min(one[family], other[family], key=parse_version) for family in one if family in other}


def _higher_nodes(one: Nodes, other: Nodes) -> dict[str, str]:
    """Families that one of them has, each at its higher version."""
    both = {**one, **other}
    return {f: max((n[f] for n in (one, other) if f in n), key=parse_version) for f in both}


def _merge_pythons(boxes: Sequence[tuple[PythonFacts, ...] | None]) -> tuple[PythonFacts, ...] | None:
    known = [{each.version: each for each in pythons} for pythons in boxes if pythons is not None]
    if len(known) < len(boxes):
        return None
    common = [[box[version] for box in known] for version in known[0] if all(version in box for box in known)]
    return tuple(filter(None, map(_merge_python, common)))


def _merge_python(pythons: Sequence[PythonFacts]) -> PythonFacts | None:
    """None where they import different files, as 3.13 and its free-threaded build do."""
    stated = list(dict.fromkeys(each.soabi for each in pythons if each.soabi))
    # Where a box does not say it, the ordinary one is assumed (see edgebuild/audit/python_modules.py, abi_of).
    if len(stated) > 1 or (stated and not all(each.soabi for each in pythons) and _FREE_THREADED.match(stated[0])):
        return None
    path = _same([each.path for each in pythons]) or ""
    return PythonFacts(version=pythons[0].version, soabi="".join(stated), path=path)


def _merge_loaders(boxes: Sequence[tuple[str, ...] | None], usual: str) -> tuple[str, ...] | None:
    """Of a box that does not list them the usual place is taken for granted, so the others have to have that one."""
    known = [each for each in boxes if each is not None]
    if len(known) == len(boxes):
        return _common(known)
    return None if all(usual in each for each in known) else ()


def _same(values: Sequence[T]) -> T | None:
    return values[0] if all(value == values[0] for value in values) else None


def _merge_engines(engines: Sequence[EngineFacts | Literal["none"] | None]) -> EngineFacts | Literal["none"] | None:
    """Unknown where one box's is, or where the boxes have engines of different makes; "none" where one has none."""
    if "none" in engines:
        return "none"
    known = [each for each in engines if isinstance(each, EngineFacts)]
    if len(known) < len(engines) or not _same([each.name for each in known]):
        return None
    mounts = _known(_all_mounts, [each.mounts for each in known])
    return EngineFacts(
        name=known[0].name,
        version=_lowest(each.version for each in known),
        layers=_known(_common, [each.layers for each in known]),  # type: ignore[arg-type]
        seccomp=_lowest(each.seccomp for each in known),
        mounts=mounts,
    )


def _all_mounts(boxes: Sequence[tuple[MountedFile, ...]]) -> tuple[MountedFile, ...]:
    """Of all boxes, because an image meets each of them; a file of several boxes with the needs of all."""
    mounts: dict[str, MountedFile] = {}
    common = set[str].intersection(*({each.path for each in files} for files in boxes))
    for each in (file for files in boxes for file in files):
        if known := mounts.get(each.path):
            each = MountedFile(
                path=each.path,
                soname=known.soname,
                needed=tuple(dict.fromkeys((*known.needed, *each.needed))),
                needs=_higher_nodes(known.needs, each.needs),
                provides=lower_nodes(known.provides, each.provides),
                everywhere=known.everywhere and each.everywhere,
            )
        elif each.path not in common:
            each = msgspec.structs.replace(each, everywhere=False)
        mounts[each.path] = each
    return tuple(mounts[path] for path in sorted(mounts))


def _merge_models(models: Sequence[ModelFacts | None]) -> ModelFacts | None:
    known = [each for each in models if each is not None]
    if len(known) < len(models) or not _same([(each.format, each.chip) for each in known]):
        return None
    return msgspec.structs.replace(known[0], version=_lowest(each.version for each in known))


def _merge_versions(boxes: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Those that are the same everywhere: which of two SDKs is the lower one is the vendor's secret."""
    common = _common([tuple(box) for box in boxes])
    return {name: boxes[0][name] for name in common if _same([box[name] for box in boxes])}


def _merge_sources(contracts: Sequence[Contract]) -> dict[str, str]:
    keys = dict.fromkeys(key for each in contracts for key in each.sources)
    joined: dict[str, str] = {}
    for key in keys:
        texts = dict.fromkeys(each.sources.get(key, each.sources.get("", "")) for each in contracts)
        joined[key] = " / ".join(text for text in texts if text)
    titles = ", ".join(f"'{each.title}'" for each in contracts)
    return {**joined, "": f"the floor under {titles}" + (f": {joined['']}" if joined.get("") else "")}
