"""What two contracts state differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from edgebuild.model.contract import Contract, EngineFacts, Provided, PythonFacts
from edgebuild.model.elf import parse_version


class Difference(msgspec.Struct, frozen=True):
    """A fact that two contracts state differently. before, after: "-" where it is absent, "unknown" where not stated.

    change: "gained", "lost", "raised", "lowered", "changed", "learnt" (was unknown), "forgotten" (is unknown now).
    """

    fact: str
    before: str
    after: str
    change: str


def diff_contracts(before: Provided, after: Provided) -> tuple[Difference, ...]:
    """What an upgrade, or a second box, changes. Sources and titles are no facts about a box."""
    one, other = before.contract, after.contract
    return (
        *_plain(one, other),
        *_tables("", _things(one), _things(other), _direction),
        *_tables("library ", _libraries(one), _libraries(other), _nodes_direction),
        *_symbols(before, after),
    )


def _plain(one: Contract, other: Contract) -> Iterator[Difference]:
    pairs = {
        "arch": (one.arch, other.arch),
        "cpu.model": (one.cpu.model, other.cpu.model),
        "cpu.emulated_as": (one.cpu.emulated_as, other.cpu.emulated_as),
        "page_size": (one.page_size, other.page_size),
        "kernel": (one.kernel, other.kernel),
        "glibc": (one.glibc, other.glibc),
        "free_bytes": (one.free_bytes, other.free_bytes),
        "engine": (_engine(one), _engine(other)),
        **{f"engine.{name}": pair for name, pair in _engine_parts(one, other)},
        "model": (_model(one), _model(other)),
    }
    for fact, (old, new) in pairs.items():
        if old != new:
            yield _difference(fact, old, new)
    for fact, a, b in (
        ("cpu.features", one.cpu.features, other.cpu.features),
        ("pythons", _versions(one.pythons), _versions(other.pythons)),
        ("programs", one.programs, other.programs),
        ("loaders", one.loaders, other.loaders),
    ):
        yield from _sets(fact, a, b)


def _difference(fact: str, old: object, new: object) -> Difference:
    shown = [("unknown" if value is None else str(value)) for value in (old, new)]
    if old is None or new is None:
        return Difference(fact, shown[0], shown[1], "learnt" if old is None else "forgotten")
    return Difference(fact, shown[0], shown[1], _direction(shown[0], shown[1]))


def _direction(old: str, new: str) -> str:
    try:
        pair = parse_version(old), parse_version(new)
    except ValueError:
        return "changed"
    return "raised" if pair[0] < pair[1] else "lowered"


def _sets(fact: str, old: Sequence[str] | None, new: Sequence[str] | None) -> Iterator[Difference]:
    """A line for each element; one line where a side is unknown."""
    if old is None or new is None:
        if old is not new:
            yield _difference(fact, *(None if each is None else " ".join(each) or "none" for each in (old, new)))
        return
    yield from (Difference(f"{fact} {each}", each, "-", "lost") for each in old if each not in new)
    yield from (Difference(f"{fact} {each}", "-", each, "gained") for each in new if each not in old)


def _tables(
    prefix: str, old: Mapping[str, str], new: Mapping[str, str], direction: Callable[[str, str], str]
) -> Iterator[Difference]:
    for name in sorted({*old, *new}):
        if name not in new:
            yield Difference(f"{prefix}{name}", old[name], "-", "lost")
        elif name not in old:
            yield Difference(f"{prefix}{name}", "-", new[name], "gained")
        elif old[name] != new[name]:
            yield Difference(f"{prefix}{name}", old[name], new[name], direction(old[name], new[name]))


def _nodes_direction(old: str, new: str) -> str:
    """Of "GLIBC 2.31, GCC 7.0.0" texts."""
    before, after = (dict(part.rpartition(" ")[::2] for part in text.split(", ")) for text in (old, new))
    common = before.keys() & after.keys()
    directions = {_direction(before[name], after[name]) for name in common if before[name] != after[name]}
    directions |= {"raised"} if after.keys() - before.keys() else set()
    directions |= {"lowered"} if before.keys() - after.keys() else set()
    return directions.pop() if len(directions) == 1 else "changed"


def _symbols(before: Provided, after: Provided) -> Iterator[Difference]:
    """How many exported symbols came and went, of libraries that both sides have."""
    for library in sorted(before.contract.libraries.keys() & after.contract.libraries.keys()):
        old, new = before.symbols.get(library), after.symbols.get(library)
        if old is None or new is None:
            if old is not new:
                yield _difference(f"symbols {library}", *(None if each is None else len(each) for each in (old, new)))
        elif old != new:
            came, went = len(new - old), len(old - new)
            change = "gained" if not went else "lost" if not came else "changed"
            yield Difference(f"symbols {library}", str(len(old)), f"{len(new)} (+{came} -{went})", change)


def _libraries(contract: Contract) -> dict[str, str]:
    return {
        library: ", ".join(f"{family} {version}" for family, version in sorted(nodes.items())) or "there"
        for library, nodes in contract.libraries.items()
    }


def _things(contract: Contract) -> dict[str, str]:
    return {f"versions.{name}": version for name, version in contract.versions.items()}


def _versions(pythons: Sequence[PythonFacts] | None) -> tuple[str, ...] | None:
    """With what their modules are called, where a box says it: 3.13 and free-threaded 3.13 import different files."""
    return None if pythons is None else tuple(" ".join(filter(None, (each.version, each.soabi))) for each in pythons)


def _engine(contract: Contract) -> str | None:
    return contract.engine.name if isinstance(contract.engine, EngineFacts) else contract.engine


def _engine_parts(one: Contract, other: Contract) -> Iterator[tuple[str, tuple[object, object]]]:
    if isinstance(one.engine, EngineFacts) and isinstance(other.engine, EngineFacts):
        a, b = one.engine, other.engine
        yield "version", (a.version, b.version)
        yield "layers", (a.layers and " ".join(a.layers), b.layers and " ".join(b.layers))
        yield "seccomp", (a.seccomp, b.seccomp)
        if a.mounts != b.mounts:
            yield "mounts", tuple(None if m is None else f"{len(m)} files" for m in (a.mounts, b.mounts))  # type: ignore[misc]


def _model(contract: Contract) -> str | None:
    model = contract.model
    return " ".join(filter(None, (model.format, model.chip, model.version))) if model else None
