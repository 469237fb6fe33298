"""Finds its way in an unpacked GCC: the compiler for another machine, what its programs need, its C library."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgebuild.build.sysroot_judge import glibc_of, is_script, script_paths
from edgebuild.build.toolchain_bin import PROGRAMS
from edgebuild.build.toolchain_gcc import arch_of_triple, link_libraries
from edgebuild.elf import is_elf, read_elf
from edgebuild.errors import AuditError, BuildError, ConfigError, NotAvailable, VerificationError
from edgebuild.model.arch import Arch, host_arch
from edgebuild.model.elf import ElfFacts, VersionNode
from edgebuild.model.recipe import GccLayout
from edgebuild.run import CLEAN_BUILD_ENV, Command, Runner

_TIMEOUT_S = 60
_CXX = re.compile(r"(?P<triple>[A-Za-z0-9_]+(?:-[A-Za-z0-9_.]+){1,3})-g\+\+(?P<suffix>-\d+(?:\.\d+)*)?")
# What the compiler starts. collect2 and the LTO programs start others in turn, which they find with its help only.
_STARTED = ("cc1", "cc1plus", "as", "ld")
_INSIDE = (*_STARTED, "collect2", "lto1", "lto-wrapper", "ld.bfd", "ld.gold")
# Of the build machine: they have to be of one C library with its loader.
_C_LIBRARY = re.compile(r"(ld-linux.*|libc|libm|libmvec|libdl|libpthread|librt|libresolv|libutil|libanl)\.so\.\d+")
_LIBRARY = re.compile(r".+\.so(\.\d+)*")
_LIBRARY_FOLDERS = ("usr/lib", "usr/lib64", "lib", "lib64")
_MAX_SCRIPT_BYTES = 4096
_MAX_SAID = 400


@dataclass(frozen=True)
class Compilers:
    """One set of programs in a folder. folder: below the root; suffix: "-10" of aarch64-linux-gnu-g++-10."""

    folder: str
    triple: str
    suffix: str

    def program(self, name: str) -> str:
        return f"{self.folder}/{self.triple}-{name}"

    @property
    def prefix(self) -> str:
        """Where `usr` or the toolchain's own top folder lies, "" for the root itself."""
        above = Path(self.folder).parent
        return (above.parent if above.name == "usr" else above).as_posix()


@dataclass(frozen=True)
class Found:
    """An unpacked GCC. glibc, glibcxx: "2.31", "3.4.28"."""

    arch: Arch
    layout: GccLayout
    glibc: str
    glibcxx: str


def find_compilers(root: Path, title: str, triple: str = "") -> Compilers:
    """The one cross compiler in a folder. triple: the one that is wished. Raises VerificationError, ConfigError."""
    there = list(_compilers(root))
    if not there:
        msg = f"{title}: there is no cross compiler in it: no program called TRIPLE-g++ in a folder bin"
        raise VerificationError(msg, "it should be an extracted GCC: gcc-linaro-*/, or the folder that has bin/.")
    found = [each for each in there if triple in ("", each.triple)]
    if not found:
        msg = f"--triple {triple}: there is no {triple}-g++ in {title}"
        raise ConfigError(msg, f"it compiles for: {', '.join(sorted({each.triple for each in there}))}.")
    if system := next((each.folder for each in found if (root / each.folder / "sh").exists()), ""):
        msg = f"{title}: {system} in it is a system's own, with a shell beside the compiler"
        raise ConfigError(msg, "name the toolchain's folder alone; what is installed would be taken as a whole.")
    real: dict[Path, list[Compilers]] = defaultdict(list)
    for each in found:
        real[(root / each.program("g++" + each.suffix)).resolve()].append(each)
    # One compiler often has several names, the longest of which says most: aarch64-linux, aarch64-buildroot-linux-gnu.
    best = {max(same, key=lambda each: (len(each.triple), not each.suffix)) for same in real.values()}
    triples = sorted({each.triple for each in best})
    if len(triples) > 1:
        msg = f"{title}: compilers for several machines in it: {', '.join(triples)}"
        raise ConfigError(msg, f"say which: --triple {triples[0]}.")
    return max(best, key=lambda each: [int(part) for part in re.findall(r"\d+", each.suffix)] or [1 << 30])


def find_layout(root: Path, compilers: Compilers, title: str, *, scratch: Path, run: Runner) -> Found:
    """What has to be known to use it. Raises VerificationError for what cannot be used here, with the reason.

    scratch: an empty folder, gone afterwards.
    """
    arch = arch_of_triple(compilers.triple)
    if arch is None:
        msg = f"{title}: compiles for {compilers.triple}, and no row is for such a machine"
        raise VerificationError(msg, "rows are for aarch64 and x86_64.")
    programs = _programs(root, compilers, title)
    cxx = root / programs["c++"]
    started = [*(root / path for path in programs.values()), *_inside(root)]
    host_libraries = tuple(sorted(_own_libraries(root, started, title)))
    link_libraries(scratch, root, host_libraries)
    ask = _Asking(cxx, scratch if host_libraries else None, run, title)
    for path in programs.values():
        ask.start(root / path)
    for name in _STARTED:
        program = Path(ask(f"-print-prog-name={name}"))
        if not program.is_absolute() or not _is_inside(program, root):
            msg = f"{title}: its compiler would take {program} of this machine for its own '{name}'"
            raise VerificationError(msg, "it is not whole, or it cannot be used where it was not installed.")
        ask.start(program)
    declared = ask("-print-sysroot")
    inside = bool(declared) and _is_inside(Path(declared), root) and Path(declared).is_dir()
    sysroot = Path(declared).resolve() if inside else root / compilers.prefix
    told = () if inside else (f"--sysroot={sysroot}",)
    runtime, glibc, glibcxx = _runtime(root, ask, told, title)
    libc = Path(ask(*told, "-print-file-name=libc.so")).parent  # what -lc asks for is often not beside libc.so.6
    scripts = tuple(_broken_scripts(root, [*runtime, libc, *(sysroot / each for each in _LIBRARY_FOLDERS)], sysroot))
    layout = GccLayout(
        triple=ask("-dumpmachine"),
        gcc=ask("-dumpfullversion", "-dumpversion"),
        programs=programs,
        sysroot=_below(sysroot, root),
        sysroot_flag=not inside,
        runtime=tuple(_below(folder, root) for folder in runtime),
        host_libraries=host_libraries,
        scripts=scripts,
    )
    return Found(arch, layout, glibc, glibcxx)


def _compilers(root: Path) -> Iterator[Compilers]:
    for folder, folders, names in os.walk(root):
        folders.sort()
        if Path(folder).name == "bin":
            for name in sorted(names):
                match = _CXX.fullmatch(name)
                if match and os.access(Path(folder, name), os.X_OK):
                    yield Compilers(Path(folder).relative_to(root).as_posix(), match["triple"], match["suffix"] or "")


def _programs(root: Path, compilers: Compilers, title: str) -> dict[str, str]:
    """Debian gives a version's number to the compilers alone, others to none."""
    wanted = {"cc": f"gcc{compilers.suffix}", "c++": f"g++{compilers.suffix}", **{name: name for name in PROGRAMS}}
    programs = {name: compilers.program(program) for name, program in wanted.items()}
    if missing := [path for path in programs.values() if not os.access(root / path, os.X_OK)]:
        msg = f"{title}: not whole: there is no {', '.join(missing)}"
        raise VerificationError(msg, "GCC and its binutils have to be in it both.")
    return programs


def _inside(root: Path) -> list[Path]:
    """Programs that the compiler starts by itself, once each."""
    found = {
        Path(folder, name).resolve()
        for folder, _, names in os.walk(root)
        for name in names
        if name in _INSIDE and os.access(Path(folder, name), os.X_OK) and is_elf(Path(folder, name).resolve())
    }
    return sorted(path for path in found if _is_inside(path, root))


def _own_libraries(root: Path, programs: Iterable[Path], title: str) -> set[str]:
    """Shared libraries in the toolchain that its programs need and do not find through a RUNPATH of their own.

    Never the C library: it has to be of one build with the loader, which is this machine's.
    """
    machine = host_arch()
    known: dict[str, list[Path]] = defaultdict(list)
    for folder, _, names in os.walk(root):
        for name in names:
            if _LIBRARY.fullmatch(name) and not _C_LIBRARY.fullmatch(name):
                known[name].append(Path(folder, name))
    wanted = set()
    waiting = [path.resolve() for path in programs]
    seen = set()
    while waiting:
        path = waiting.pop()
        if path in seen or not is_elf(path):
            continue
        seen.add(path)
        facts = _facts(path, title)
        if facts.machine != machine.elf_machine:
            built_for = facts.machine.removeprefix("EM_").lower()
            msg = f"{title}: its {path.name} is a program for {built_for}, and this machine is {machine.name}"
            raise VerificationError(msg, f"get the toolchain that runs on {machine.name}.")
        for name in facts.needed:
            library = next((path for path in sorted(known[name]) if _machine(path, title) == facts.machine), None)
            if library:
                waiting.append(library.resolve())
                if not _finds_itself(facts, path, name):
                    wanted.add(library.relative_to(root).as_posix())
    return wanted


def _machine(library: Path, title: str) -> str:
    """Of libraries with one name, those of the target come with it, too. "": a linker script, a link to nothing."""
    real = library.resolve()
    return _facts(real, title).machine if is_elf(real) else ""


def _finds_itself(facts: ElfFacts, path: Path, name: str) -> bool:
    folders = [folder.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", str(path.parent)) for folder in facts.runpath]
    return any(Path(folder, name).exists() for folder in folders if folder)


@dataclass(frozen=True)
class _Asking:
    """Starts the compiler's programs where they lie. libraries: folder of those that they do not find by themselves."""

    compiler: Path
    libraries: Path | None
    run: Runner
    title: str

    def __call__(self, *words: str) -> str:
        return self._run(self.compiler, *words).strip()

    def start(self, program: Path) -> None:
        self._run(program, "--version")

    def _run(self, program: Path, *words: str) -> str:
        libraries = str(self.libraries) if self.libraries else None
        env: Mapping[str, str | None] = {**CLEAN_BUILD_ENV, "LC_ALL": "C", "LD_LIBRARY_PATH": libraries}
        try:
            return self.run(Command(program, *words, env=env, timeout_s=_TIMEOUT_S)).stdout
        except (BuildError, NotAvailable) as err:
            said = " ".join(err.message.replace("  | ", "").split())
            msg = f"{self.title}: its {program.name} does not run on this machine: {said[:_MAX_SAID]}"
            raise VerificationError(
                msg, "install what it lacks, or take one that was built for older systems."
            ) from err


def _runtime(root: Path, ask: _Asking, told: tuple[str, ...], title: str) -> tuple[list[Path], str, str]:
    """Folders of the target's libraries, as the compiler itself finds them, and their versions."""
    places = {name: Path(ask(*told, f"-print-file-name={name}")) for name in ("libc.so.6", "libstdc++.so.6")}
    for name, place in places.items():
        if not place.is_absolute() or not _is_inside(place, root):
            where = f"it would take {place}" if place.is_absolute() else "it finds none"
            msg = f"{title}: there is no {name} in it ({where})"
            hint = "a GCC for bare metal or musl makes nothing that a row's box runs; one for Linux has both."
            raise VerificationError(msg, hint)
    libc, libstdcxx = (place.resolve() for place in places.values())
    glibc = glibc_of(libc.read_bytes())
    nodes = [VersionNode.parse(node) for node in _facts(libstdcxx, title).defined_versions]
    newest = max((node.version for node in nodes if node.family == "GLIBCXX"), default=())
    if not glibc or not newest:
        msg = f"{title}: its libc.so.6 and libstdc++.so.6 do not say which versions they are"
        raise VerificationError(msg, "they have to be glibc's and GCC's own.")
    folders = dict.fromkeys(place.parent.resolve() for place in places.values())
    return list(folders), glibc, ".".join(map(str, newest))


def _broken_scripts(root: Path, folders: Iterable[Path], sysroot: Path) -> Iterator[str]:
    """Linker scripts whose paths lead out of the toolchain, though what they name lies beside them.

    In a script inside the sysroot a path begins there. Source: ld manual, "Commands Dealing with Files".
    """
    for folder in dict.fromkeys(each.resolve() for each in folders if each.is_dir() and _is_inside(each, root)):
        for script in sorted(folder.glob("*.so")):
            head = script.read_bytes()[: _MAX_SCRIPT_BYTES + 1] if script.is_file() else b""
            if not is_script(head):
                continue
            start = sysroot if _is_inside(script, sysroot) else Path("/nowhere")
            lost = [path for path in script_paths(head) if not (start / path.lstrip("/")).exists()]
            if any((folder / Path(path).name).exists() for path in lost):
                yield _below(script, root)


def _facts(path: Path, title: str) -> ElfFacts:
    try:
        return read_elf(path)
    except AuditError as err:
        msg = f"{title}: {err.message}"
        raise VerificationError(msg, "extract or download it again.") from err


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _below(path: Path, root: Path) -> str:
    return path.resolve().relative_to(root.resolve()).as_posix()
