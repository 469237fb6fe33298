"""Vendors' SDKs: what a box has because one is installed there, and what of one must not leave in a product of ours."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from edgebuild.model.contract import Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.finding import Finding
from edgebuild.model.sdk import Sdk, SdkLibrary
from edgebuild.model.tree import TreeFacts

_HINT = (
    "leave it out: `sdk: [{name: NAME, on_box: true}]` says that the box has it. "
    "If its licence lets you ship it, import it with --redistributable."
)


@dataclass(frozen=True)
class Shipping:
    """What only the ship gate knows. linked: SDKs that the product was linked against: their libraries have versions of
    their own, which no floor is about. withheld: SDKs that must not ship. digests: sha256 of the product's files, by
    name, as far as they are at hand.
    """

    linked: tuple[Sdk, ...] = ()
    withheld: tuple[Sdk, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def linked_libraries(self) -> frozenset[str]:
        return frozenset(name for sdk in self.linked for name in sdk.symbols)


def with_sdks_of_box(provided: Provided, sdks: Sequence[Sdk]) -> Provided:
    """A contract with the libraries of SDKs that its boxes have. What it states itself counts more."""
    contract = provided.contract
    libraries = dict(contract.libraries)
    symbols = dict(provided.symbols)
    for sdk in sdks:
        for library in sdk.lock.libraries if sdk.on_box else ():
            libraries.setdefault(library.name, dict(library.provides))
            if exported := sdk.symbols.get(library.name):
                symbols.setdefault(library.name, exported)
    return Provided(msgspec.structs.replace(contract, libraries=libraries), symbols)


def check_withheld(tree: TreeFacts, shipping: Shipping) -> Iterator[Finding]:
    """Files of an SDK that must not ship: the same bytes, or the same library stripped or under another name."""
    for sdk in shipping.withheld:
        found = dict(_same_bytes(sdk, shipping.digests))
        found |= {elf.name: path for elf in tree.elves if (path := _same_library(elf, sdk))}
        for name, path in sorted(found.items()):
            message = (
                f"is {path} of the SDK '{sdk.name}' ({sdk.recipe.title} {sdk.recipe.version}), which must not ship"
            )
            yield Finding(code="A138", file=name, message=message, hint=_HINT.replace("NAME", sdk.name))


def _same_bytes(sdk: Sdk, digests: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    known = {digest: path for path, digest in sdk.lock.binaries.items()}
    known |= {library.sha256: library.path for library in sdk.lock.libraries}
    yield from ((name, known[digest]) for name, digest in digests.items() if digest in known)


def _same_library(elf: ElfFacts, sdk: Sdk) -> str:
    """Its path in the SDK. Stripping keeps the build id, and where there is none, name and exported symbols."""
    for library in sdk.lock.libraries:
        if library.build_id:
            if library.build_id == elf.build_id:
                return library.path
        elif _is_called(elf, library) and elf.exported and sdk.symbols.get(library.name) == frozenset(elf.exported):
            return library.path
    return ""


def _is_called(elf: ElfFacts, library: SdkLibrary) -> bool:
    names = {elf.soname, *(posixpath.basename(path) for path in (elf.name, *elf.also))}
    return library.name in names
