"""A wheel's tags against what is in it (A121, A122) and against the box (A124)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.tags import Tag, compatible_tags, cpython_tags, parse_tag

from edgebuild.audit.finding import box, finding, glibc_of, name_node
from edgebuild.audit.load import file_names
from edgebuild.audit.python_modules import Module, abi_of, groups_of, shown
from edgebuild.model.contract import Contract, PythonFacts
from edgebuild.model.elf import ElfFacts, VersionNode, parse_version
from edgebuild.model.finding import Finding, Severity
from edgebuild.model.manylinux import SYSTEM_FAMILIES, SYSTEM_LIBRARIES, Platform, platforms_of
from edgebuild.model.tree import TreeFacts, WheelFacts

# Architecture as platform tags spell it -> as elf.h does. Source: packaging.tags; PEP 600 and 656.
_MACHINES = {
    "aarch64": "EM_AARCH64",
    "armv6l": "EM_ARM",
    "armv7l": "EM_ARM",
    "i686": "EM_386",
    "loongarch64": "EM_LOONGARCH",
    "ppc64le": "EM_PPC64",
    "riscv64": "EM_RISCV",
    "s390x": "EM_S390",
    "x86_64": "EM_X86_64",
}
_RETAG = "`python -m wheel tags` renames it and its WHEEL file alike; better, set the tag where it is built."


def _wheel_finding(code: str, wheel: WheelFacts, message: str, hint: str, severity: Severity = "error") -> Finding:
    return Finding(code=code, file=wheel.file, message=message, hint=hint, severity=severity)


def tags_of(wheel: WheelFacts) -> tuple[Tag, ...]:
    return tuple(tag for text in wheel.tags for tag in parse_tag(text))


# ---- A121 ----


def check_tags(tree: TreeFacts, modules: Sequence[Module]) -> Iterator[Finding]:
    if tree.wheel is None:
        return
    tags = tags_of(tree.wheel)
    yield from _name_and_content_agree(tree.wheel, tags)
    yield from _machine_agrees(tree, tags)
    yield from _suffix_agrees(modules, tags)
    if tree.wheel.pure and modules:
        message = f"is for any machine (Root-Is-Purelib: true) and has the module {modules[0].elf.name}"
        yield _wheel_finding("A121", tree.wheel, message, "the build must declare its extension modules: platlib.")


def _name_and_content_agree(wheel: WheelFacts, tags: Sequence[Tag]) -> Iterator[Finding]:
    """Installers go by the file's name. A platform that only the name has is what a tool did that renamed it."""
    written = [tag for text in wheel.wheel_tags for tag in parse_tag(text)]
    if set(tags) <= set(written) or not written:
        return
    shared = {_kind(tag) for tag in written} & {_kind(tag) for tag in tags}
    message = f"its name says {_some(wheel.tags)}, its WHEEL file {_some(wheel.wheel_tags)}"
    yield _wheel_finding("A121", wheel, message, _RETAG, "advice" if shared else "error")


def _kind(tag: Tag) -> tuple[str, str]:
    """ABI and architecture: what a wrong tag gets wrong for good."""
    platform = Platform.parse(tag.platform)
    return tag.abi, platform.arch if platform else tag.platform


def _some(tags: Sequence[str]) -> str:
    return ", ".join(tags[:3]) + (f" and {len(tags) - 3} more" if len(tags) > 3 else "")


def _machine_agrees(tree: TreeFacts, tags: Sequence[Tag]) -> Iterator[Finding]:
    if tree.wheel is None or not tree.elves:
        return
    arches = {platform.arch for tag in tags if (platform := Platform.parse(tag.platform))}
    any_platform = all(tag.platform == "any" for tag in tags)
    expected = {_MACHINES[arch] for arch in arches if arch in _MACHINES}
    wrong = [elf for elf in tree.elves if any_platform or (expected and elf.machine not in expected)]
    for elf in wrong[:1]:
        machine = elf.machine.removeprefix("EM_")
        says = "for any machine" if any_platform else f"for {', '.join(sorted(arches))}"
        message = f"the wheel's tag says {says}, {elf.name} is for {machine}{shown([each.name for each in wrong])}"
        hint = "a cross build took the build machine's tag: set wheel.tags, --plat-name or _PYTHON_HOST_PLATFORM."
        yield _wheel_finding("A121", tree.wheel, message, hint)


def _suffix_agrees(modules: Sequence[Module], tags: Sequence[Tag]) -> Iterator[Finding]:
    """Every module has a file for every Python that the tags let in. Tags with the ABI "none" let in any."""
    abis = sorted({tag.abi for tag in tags if tag.interpreter.startswith("cp")})
    if not abis or "none" in abis:
        return
    lost = [(group[0], abi) for group in groups_of(modules) for abi in abis if not any(_serves(m, abi) for m in group)]
    for module, abi in lost[:1]:
        message = f"the wheel's tag says {abi}, its name {module.soabi}{shown([m.elf.name for m, _ in lost])}"
        hint = "tag and suffix must come from the same Python: build the wheel again with the target's."
        yield finding("A121", module.elf, message, hint)


def _serves(module: Module, abi: str) -> bool:
    """Whether a Python of this ABI tag finds the file."""
    if not module.soabi or module.is_abi3:
        return True
    return module.soabi.split("-")[1] == abi.removeprefix("cp")


# ---- A122 ----


def check_promise(tree: TreeFacts) -> Iterator[Finding]:
    """The worst of all files against the oldest system that a tag lets in, once for the wheel."""
    if tree.wheel is None:
        return
    parsed = {Platform.parse(tag.platform) for tag in tags_of(tree.wheel)} - {None}
    platforms = sorted((each for each in parsed if each and each.libc), key=lambda p: parse_version(p.version))
    musl = [each for each in platforms if each.libc == "musl"]
    glibc = [each for each in platforms if each.libc == "glibc"]
    bundled = {name for elf in tree.elves for name in file_names(elf)}
    needs = [
        (VersionNode.parse(name), name, symbols, elf)
        for elf in tree.elves
        for library, nodes in elf.needed_versions.items()
        if library in SYSTEM_LIBRARIES and library not in bundled
        for name, symbols in nodes.items()
    ]
    if musl and needs:
        _, name, symbols, elf = needs[0]
        message = f"the wheel's tag says {musl[0].tag}, which has no glibc; needs {name_node(name, symbols)}"
        yield finding("A122", elf, message, "take the tag away, or build it against musl.")
    if glibc:
        yield from _above(glibc[0], needs)


def _above(
    platform: Platform, needs: Sequence[tuple[VersionNode, str, tuple[str, ...], ElfFacts]]
) -> Iterator[Finding]:
    promise = platform.promise
    above = [
        each
        for each in needs
        if each[0].family in SYSTEM_FAMILIES and each[0].version > parse_version(promise[each[0].family])
    ]
    if not above:
        return
    # glibc first: of the families it is the one that a box cannot get otherwise.
    node, name, symbols, elf = min(
        above, key=lambda each: (SYSTEM_FAMILIES.index(each[0].family), _descending(each[0]))
    )
    files = sorted({each[3].name for each in above})
    message = (
        f"the wheel's tag {platform.tag} promises {node.family}_{promise[node.family]} at most; "
        f"needs {name_node(name, symbols)}{shown(files)}"
    )
    hint = "tag it for what it needs (`auditwheel show`), or build it against the older system."
    symbol = f"{symbols[0]}@{name}" if symbols else name
    yield finding("A122", elf, message, hint, symbol=symbol)


def _descending(node: VersionNode) -> tuple[int, ...]:
    return tuple(-part for part in node.version)


# ---- A124 ----


def check_wheel_fits(tree: TreeFacts, contract: Contract, pythons: tuple[PythonFacts, ...] | None) -> Iterator[Finding]:
    """What pip would say on the box: "is not a supported wheel on this platform"."""
    wheel = tree.wheel
    if wheel is None:
        return
    if pythons is None:
        message = f"is for {_some(wheel.tags)}, and nobody knows which Pythons {box(contract)} has"
        hint = "`edgebuild probe` finds them on a box: pythons in the contract."
        yield _wheel_finding("A124", wheel, message, hint, "unknown")
        return
    if not pythons:
        message = f"is for {_some(wheel.tags)}, and {box(contract)} has no Python"
        yield _wheel_finding("A124", wheel, message, "install one there, or ship a program of its own.")
        return
    tags, glibc = set(tags_of(wheel)), glibc_of(contract)
    own = sorted({tag.platform for tag in tags} - {"any"})
    taken = platforms_of(contract.arch, glibc) if glibc else _of_arch(own, contract.arch)
    if any(tags & _supported(python, taken) for python in pythons):
        if glibc is None and not any(tag.platform == "any" for tag in tags):
            message = f"is for {', '.join(own)}, and nobody knows the glibc of {box(contract)}"
            yield _wheel_finding(
                "A124", wheel, message, "`ldd --version` there tells: glibc in the contract.", "unknown"
            )
    elif any(tags & _supported(python, own) for python in pythons):
        system = f"{contract.arch} with glibc {'.'.join(map(str, glibc))}" if glibc else contract.arch
        message = f"is for {', '.join(own)}; {box(contract)} is {system}, so that pip refuses it"
        yield _wheel_finding("A124", wheel, message, "take the wheel for that system, or build it for a lower one.")
    else:
        versions = ", ".join(each.version for each in pythons)
        message = f"is for {_some(wheel.tags)}; {box(contract)} has Python {versions}"
        yield _wheel_finding("A124", wheel, message, "take or build the wheel for that Python.")


def _of_arch(platforms: Sequence[str], arch: str) -> list[str]:
    return [each for each in platforms if (parsed := Platform.parse(each)) and parsed.arch == arch]


def _supported(python: PythonFacts, platforms: Sequence[str]) -> set[Tag]:
    version, abi = parse_version(python.version), abi_of(python)
    interpreter = f"cp{python.version.replace('.', '')}"
    return {
        *cpython_tags(version, [abi], platforms),
        *compatible_tags(version, interpreter, platforms),
    }
