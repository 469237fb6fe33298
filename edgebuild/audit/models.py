"""Model files against the box's chip and SDK, or against the runtime that ships beside them (A120)."""

from __future__ import annotations

import fnmatch
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Sequence

from edgebuild.audit.finding import box
from edgebuild.audit.python_modules import shown
from edgebuild.inputs.model import shipped_formats
from edgebuild.model.contract import Contract, Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.finding import Finding, Severity
from edgebuild.model.model_file import BundledRuntime, ModelFormat, ModelHeader
from edgebuild.model.tree import TreeFacts

_Verdict = tuple[Severity, str, str]  # severity, message, hint


def check_models(
    tree: TreeFacts, provided: Provided, formats: Sequence[ModelFormat] | None = None
) -> Iterator[Finding]:
    """formats: descriptions of the models' formats, by default all that ship with edgebuild."""
    files: dict[str, list[str]] = defaultdict(list)
    for other in tree.others:
        if other.kind == "model":
            files[other.value].append(other.name)
    if not files:
        return
    known = {each.name: each for each in (shipped_formats() if formats is None else formats)}
    for value, names in files.items():
        header = ModelHeader.parse(value)
        described = known.get(header.format)
        runtime = described.runtime if described else None
        title = described.title if described else header.format
        if runtime and (libraries := _bundled(tree, runtime)):
            verdicts = _for_runtime(header, title, runtime, libraries)
        else:
            verdicts = _for_box(header, title, provided.contract)
        for severity, message, hint in verdicts:
            text = f"{message}{shown(names)}"
            yield Finding(code="A120", file=names[0], message=text, hint=hint, severity=severity)


def _bundled(tree: TreeFacts, runtime: BundledRuntime) -> list[ElfFacts]:
    return [
        elf
        for elf in tree.elves
        if any(fnmatch.fnmatch(posixpath.basename(elf.name), pattern) for pattern in runtime.files)
    ]


def _for_runtime(
    header: ModelHeader, title: str, runtime: BundledRuntime, libraries: Sequence[ElfFacts]
) -> Iterator[_Verdict]:
    """Only a release whose limits we know is judged; another one came with these models from the same hand."""
    if not header.version or not _is_newer(header.version, runtime.newest):
        return
    hint = f"convert the model for version {runtime.newest}, or ship a newer runtime."
    if any(runtime.node in elf.defined_versions for elf in libraries):
        message = f"is {title} {header.version}; the runtime beside it takes {runtime.newest} at most"
        yield "error", message, hint
    else:
        message = f"is {title} {header.version}, newer than any runtime that we know takes"
        yield "advice", message, hint


def _for_box(header: ModelHeader, title: str, contract: Contract) -> Iterator[_Verdict]:
    facts, place = contract.model, box(contract)
    hint = "convert the model with the SDK release of the box, for its chip."
    unknown = "model in the contract: format, chip and version that the box's runtime takes."
    if facts is None:
        yield "unknown", f"is a model ({title}), and nobody knows what models {place} takes", unknown
        return
    if header.format != facts.format:
        yield "error", f"is a model for {title}, {place} takes {facts.format}", hint
        return
    if header.chip and not facts.chip:
        yield "unknown", f"is for the chip {header.chip}, and nobody knows the chip of {place}", unknown
    elif header.chip != facts.chip and header.chip:
        yield "error", f"is for the chip {header.chip}, {place} has {facts.chip}", hint
    if header.version and facts.version is None:
        yield "unknown", f"is {title} {header.version}, and nobody knows which versions {place} takes", unknown
    elif header.version and facts.version and _is_newer(header.version, facts.version):
        yield "error", f"is {title} {header.version}, {place} takes {facts.version} at most", hint
    if (facts.chip and not header.chip) or (facts.version and not header.version):
        yield "unknown", f"does not say for which chip or version it is; {place} has {_said(facts)}", hint


def _said(facts: object) -> str:
    return " ".join(each for each in (getattr(facts, "chip", ""), getattr(facts, "version", "")) if each)


def _is_newer(version: str, limit: str) -> bool:
    """Numbers by value; a version that is not made of numbers is newer unless it is the very one."""
    try:
        return tuple(map(int, version.split("."))) > tuple(map(int, limit.split(".")))
    except ValueError:
        return version != limit
