"""Container images: can the box's engine unpack and start them, and do the host files that it lays into them load?"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from edgebuild.audit.finding import box
from edgebuild.audit.inside import by_name, contract_inside, find_program, glibc_of_image, of_box
from edgebuild.elf.facts import provided_versions
from edgebuild.model.arch import ARCHES
from edgebuild.model.contract import Contract, EngineFacts, MountedFile, Provided
from edgebuild.model.elf import ElfFacts, parse_version
from edgebuild.model.finding import Finding, Severity
from edgebuild.model.tree import ImageFacts, OtherFile, TreeFacts

# First version of an engine that unpacks layers packed with zstd. Sources: Docker Engine 23.0.0 release notes (moby PR
# 41759); containerd 1.5.0 release notes. Docker 20.10.24 answers "archive/tar: invalid tar header"
# (tests/e2e/test_image_engine.py).
_ZSTD_FROM = {"docker": (23, 0), "containerd": (1, 5)}
# `docker load` of a layout without manifest.json needs the containerd image store: "blobs/json: no such file or
# directory" without it (moby issue 44162, buildkit issue 4131; seen with 20.10.24). The store can be switched on since
# 25.0 in earnest, and is what a fresh installation has since 29.0. Sources: their release notes.
_LAYOUT_FROM, _LAYOUT_SURELY_FROM = (25, 0), (29, 0)
# glibc 2.33 asks for faccessat2, 2.34 for clone3, and both go on only when ENOSYS is the answer. Docker's profile knows
# faccessat2 since 20.10.0 (moby PR 41353) and answers clone3 with ENOSYS since 20.10.10 (moby PR 42681, issue 42680);
# libseccomp's tables have clone3 since 2.4.2 and faccessat2 since 2.4.4 (its src/arch-aarch64-syscalls.c at these
# tags); what they lack is answered with EPERM (docker-library/official-images issue 16829).
_SYSTEM_CALLS = (
    ("clone3", (2, 34), (20, 10, 10), (2, 4, 2)),
    ("faccessat2", (2, 33), (20, 10, 0), (2, 4, 4)),
)
_ENGINE_HINT = "state engine in the contract; `edgebuild probe USER@HOST` reads it from a box."

__all__ = ["check_image", "contract_inside"]


def check_image(tree: TreeFacts, provided: Provided) -> Iterator[Finding]:
    """tree: with its files of other machines. provided: of the box, not of what is inside."""
    image = tree.image
    if image is None:
        return
    contract = provided.contract
    yield from _platform(tree, image, contract)
    yield from _command(tree, image, contract)
    engine = contract.engine
    if engine is None:
        message = f"nobody knows the container engine of {box(contract)}, what it unpacks and what it lays into images"
        yield _finding("A128", image, message, _ENGINE_HINT, "unknown")
    elif engine == "none":
        hint = "ship it as tarball (format: tarball), or install Docker 20.10 or later on the box."
        yield _finding("A128", image, f"{box(contract)} has no container engine", hint)
    else:
        yield from _form(image, engine)
        yield from _packing(image, engine)
        yield from _system_calls(tree, image, engine)
        yield from _mounts(tree, image, engine, contract)


def _finding(
    code: str, image: ImageFacts, message: str, hint: str, severity: Severity = "error", *, file: str = ""
) -> Finding:
    return Finding(code=code, file=file or image.reference or "image", message=message, hint=hint, severity=severity)


# ---- The engine ----


def _form(image: ImageFacts, engine: EngineFacts) -> Iterator[Finding]:
    if image.form != "oci" or engine.name != "docker":
        return
    hint = "save it as docker-archive: `skopeo copy oci-archive:X docker-archive:Y`; edgebuild writes both in one."
    if engine.version is None:
        message = (
            "an OCI layout only, which `docker load` takes since 25.0 at the earliest; the box's version is unknown"
        )
        yield _finding("A128", image, message, _ENGINE_HINT, "unknown")
    elif parse_version(engine.version) < _LAYOUT_FROM:
        message = f"an OCI layout only, without the manifest.json that `docker load` of {engine.version} looks for"
        yield _finding("A128", image, message, hint)
    elif parse_version(engine.version) < _LAYOUT_SURELY_FROM:
        message = f"an OCI layout only: `docker load` of {engine.version} takes it if the containerd image store is on"
        yield _finding("A128", image, message, hint, "unknown")


def _packing(image: ImageFacts, engine: EngineFacts) -> Iterator[Finding]:
    packings = sorted({layer.packing for layer in image.layers} - {"none", "gzip"}) if image.form != "engine" else []
    for packing in packings:
        count = sum(layer.packing == packing for layer in image.layers)
        what = f"{count} of {len(image.layers)} layers are packed with {packing}"
        unpacks = _unpacks(engine, packing)
        hint = "pack them with gzip: `--output type=docker,compression=gzip,force-compression=true`."
        if unpacks is None:
            message = f"{what}, and nobody knows whether the box's {engine.name} unpacks that"
            yield _finding("A128", image, message, _ENGINE_HINT, "unknown")
        elif not unpacks:
            version = f" {engine.version}" if engine.version else ""
            yield _finding("A128", image, f"{what}, which {engine.name}{version} does not unpack", hint)


def _unpacks(engine: EngineFacts, packing: str) -> bool | None:
    """As the contract states it, else as its version tells. None: unknown."""
    if engine.layers is not None:
        return packing in engine.layers
    if engine.version is None or engine.name not in _ZSTD_FROM:
        return None
    return parse_version(engine.version) >= _ZSTD_FROM[engine.name]


def _system_calls(tree: TreeFacts, image: ImageFacts, engine: EngineFacts) -> Iterator[Finding]:
    """The newest call that something is too old for; the hint is the same for the others."""
    glibc = glibc_of_image(tree)
    if glibc is None:
        return
    shown = ".".join(map(str, glibc))
    hint = (
        "update the engine and libseccomp on the box, or base the image on a distribution with glibc 2.31 (Debian 11)."
    )
    wanted = [call for call in _SYSTEM_CALLS if glibc >= call[1]]
    for name, _, version, seccomp in wanted:
        if engine.name == "docker" and engine.version and parse_version(engine.version) < version:
            message = f"its glibc {shown} calls {name}, which the seccomp profile of docker {engine.version} forbids"
            yield _finding("A131", image, f"{message} (EPERM; {_dotted(version)} answers ENOSYS)", hint)
            return
        if engine.seccomp and parse_version(engine.seccomp) < seccomp:
            message = f"its glibc {shown} calls {name}, which libseccomp {engine.seccomp} does not know"
            yield _finding("A131", image, f"{message} (EPERM; {_dotted(seccomp)} does)", hint)
            return
    unknown = [
        *(["version"] if engine.name == "docker" and engine.version is None else []),
        *(["seccomp"] if engine.seccomp is None else []),
    ]
    if wanted and unknown:
        message = f"its glibc {shown} calls {wanted[0][0]}; whether the box's engine lets it is not known"
        hint = f"state {' and '.join(f'engine.{each}' for each in unknown)} in the contract."
        yield _finding("A131", image, message, hint, "unknown")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


# ---- What the host lays into it ----


def _mounts(tree: TreeFacts, image: ImageFacts, engine: EngineFacts, contract: Contract) -> Iterator[Finding]:
    """Image and mounts judged as one. Nothing would load them where no program is linked dynamically."""
    own = of_box(tree, contract)
    if not any(elf.interpreter or elf.needed for elf in own):
        return
    if engine.mounts is None:
        message = f"nobody knows which host files the engine of {box(contract)} lays into images"
        hint = "state engine.mounts in the contract ([] for none); `edgebuild probe USER@HOST` reads them from a box."
        yield _finding("A130", image, message, hint, "unknown")
        return
    libraries = by_name(tree, contract)
    mounted = {name for each in engine.mounts for name in _names(each)}
    for each in engine.mounts:
        for library in each.needed:
            if library not in libraries and library not in mounted:
                message = (
                    f"is laid into the image by the host and needs {library}: neither in {_shown(image)} nor laid in"
                )
                hint = f"add the package with {library} to the image, or what lays it in to the box's runtime."
                yield _finding("A130", image, message, hint, file=each.path)
        for family, version in each.needs.items():
            yield from _too_new(each, family, version, libraries, image, engine.mounts)


def _too_new(
    mount: MountedFile,
    family: str,
    version: str,
    libraries: dict[str, ElfFacts],
    image: ImageFacts,
    mounts: tuple[MountedFile, ...],
) -> Iterator[Finding]:
    has = [
        (parse_version(versions[family]), elf.name)
        for elf in libraries.values()
        if family in (versions := provided_versions(elf))
    ]
    has += [(parse_version(each.provides[family]), each.path) for each in mounts if family in each.provides]
    wanted = parse_version(version)
    if not has:
        # Where the library itself is missing that has been said.
        if all(library in libraries for library in mount.needed):
            message = f"is laid into the image by the host and needs {family}_{version}, {_shown(image)} has none"
            yield _finding("A130", image, message, "base it on a release as new as the host.", file=mount.path)
        return
    found, provider = max(has)
    if found < wanted:
        message = (
            f"is laid into the image by the host and needs {family}_{version}; "
            f"{_shown(image)} has {family}_{_dotted(found)} ({provider})"
        )
        hint = "base the image on a distribution as new as the host's, or at least as new as its files ask for."
        yield _finding("A130", image, message, hint, file=mount.path)


def _names(mount: MountedFile) -> tuple[str, ...]:
    return (posixpath.basename(mount.path), *([mount.soname] if mount.soname else []))


def _shown(image: ImageFacts) -> str:
    return f"image '{image.reference}'" if image.reference else "the image"


# ---- Platform and command ----


def _platform(tree: TreeFacts, image: ImageFacts, contract: Contract) -> Iterator[Finding]:
    arch = ARCHES[contract.arch]
    stated = (image.os or "linux", image.architecture or arch.debian)
    if stated != ("linux", arch.debian):
        message = f"says it is for {'/'.join(stated)}, {box(contract)} is linux/{arch.debian}"
        yield _finding("A129", image, message, f"build it with --platform linux/{arch.debian}.")
        return
    machines = {elf.machine for elf in tree.elves if elf.kind != "object"}
    program = find_program(tree, image.path, image.command[0]) if image.command else None
    if isinstance(program, ElfFacts) and program.machine != arch.elf_machine:
        its = program.machine.removeprefix("EM_")
        message = f"says it is for {'/'.join(stated)}, and its command {image.command[0]} is for {its}"
        yield _finding("A129", image, message, f"cross-compile it for {arch.name}, or build with --platform.")
    elif machines and arch.elf_machine not in machines:
        found = ", ".join(sorted(machine.removeprefix("EM_") for machine in machines))
        message = f"says it is for {'/'.join(stated)}, and all programs in it are for {found}"
        yield _finding("A129", image, message, "its base was built for another platform: build it with --platform.")


def _command(tree: TreeFacts, image: ImageFacts, contract: Contract) -> Iterator[Finding]:
    if not image.command:
        yield _finding("A137", image, "has no command: `docker run` needs one", "add ENTRYPOINT or CMD.", "advice")
        return
    reason = _why_not_started(tree, image, image.command[0])
    if reason:
        hint = "name it with its absolute path, copy it into the image, and give it the x-bit (COPY --chmod=755)."
        if "interpreter" in reason:
            hint = "install that interpreter, choose a base image that has it, or name another one in the first line."
        yield _finding("A137", image, f"its command {image.command[0]} cannot be started: {reason}", hint)


def _why_not_started(tree: TreeFacts, image: ImageFacts, program: str) -> str:
    """ "" where it starts, as far as its libraries do."""
    found = find_program(tree, image.path, program)
    if found is None:
        return "there is no such program in the image"
    if isinstance(found, OtherFile) and found.kind != "script":
        return "it is neither a program nor a script"
    if not found.executable:
        return "it lacks the x-bit (permission denied)"
    if isinstance(found, ElfFacts):
        if found.interpreter and find_program(tree, (), found.interpreter) is None:
            return f"its loader {found.interpreter} is not in the image"
        return ""
    words = found.value.split()
    if not words:
        return "its first line names no interpreter"
    # env looks along PATH, and takes options and assignments before the program.
    wanted = [words[0]]
    if posixpath.basename(words[0]) == "env":
        wanted += [word for word in words[1:] if not word.startswith("-") and "=" not in word][:1]
    for each in wanted:
        interpreter = find_program(tree, image.path, each)
        if interpreter is None or not interpreter.executable:
            return f"its interpreter {each} is not in the image"
    return ""
