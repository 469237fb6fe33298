"""The proof that a sysroot is one: a C and a C++ program compiled and linked against it alone, and run in it.

The toolchain's clang and lld are used as they are, without what zig adds to them (its own libc, start-up code and
libc++): `zig clang --sysroot` looks for headers, start-up files and libraries as any clang does. What it took is then
read from its own lists, because a program that was linked against something else would run as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgebuild.build.emulate import find_emulator
from edgebuild.build.toolchain_bin import render_tool
from edgebuild.build.toolchain_clang import clang_words
from edgebuild.errors import BuildError, NotAvailable, VerificationError
from edgebuild.model.arch import host_arch
from edgebuild.model.product import Sysroot
from edgebuild.run import CLEAN_BUILD_ENV, Command, Runner
from edgebuild.workspace import Workspace

_TIMEOUT_S = 300.0
_RUN_TIMEOUT_S = 60.0
# Thread, dynamic loading and mathematics come from libraries of their own before glibc 2.34.
_C = """\
#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
static void* work(void* value) { *(double*)value = sqrt(*(double*)value); return NULL; }
int main(void) {
  volatile double start = 1764.0;
  double value = start;
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, &value) || pthread_join(thread, NULL)) return 1;
  if (!dlopen(NULL, RTLD_NOW)) return 2;
  printf("C %g %s\\n", value, gnu_get_libc_version());
  return 0;
}
"""
_CXX = """\
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
int main() {
  std::vector<std::string> words;
  std::thread([&] { words.emplace_back("thrown"); }).join();
  try { throw std::runtime_error(words.at(0)); }
  catch (const std::exception& error) { std::cout << "C++ " << error.what() << std::endl; }
}
"""
_EXPECTED = {"C": "C 42 {glibc}", "C++": "C++ thrown"}


@dataclass(frozen=True)
class Proof:
    """languages: those in which a program was compiled, linked and run, "C", "C++".

    headers, inputs: how many of the sysroot's files the compiler read and the linker took.
    """

    languages: tuple[str, ...]
    headers: int
    inputs: int
    compiler: str = "clang and lld of ziglang"


@dataclass(frozen=True)
class Compiler:
    """clang's driver in the toolchain's wheels. linker: a script of ours, because clang asks for a program ld.lld."""

    tools: Path
    linker: Path

    def command(self, sysroot: Sysroot, language: str, *words: str | Path, cwd: Path) -> Command:
        driver = clang_words(self.tools, self.linker, sysroot, language)
        return Command(*driver, *words, cwd=cwd, env=CLEAN_BUILD_ENV, timeout_s=_TIMEOUT_S)


def write_linker(tools: Path, folder: Path) -> Compiler:
    """tools: the toolchain's unpacked wheels. folder: for the linker's script."""
    linker = folder / "ld.lld"
    linker.write_text(render_tool(tools / "ziglang/zig", "ld.lld"))
    linker.chmod(0o755)
    return Compiler(tools, linker)


def prove_sysroot(sysroot: Sysroot, tools: Path, *, ws: Workspace, run: Runner) -> Proof:
    """C, and C++ where the sysroot has its headers. Raises VerificationError for a sysroot that is none."""
    languages = ("C", "C++") if has_cxx(sysroot.root) else ("C",)
    headers: set[Path] = set()
    inputs: set[Path] = set()
    with ws.scratch("proof") as scratch:
        compiler = write_linker(tools, scratch)
        for language in languages:
            with ws.log.step(f"Compiling, linking and running a {language} program against {sysroot.name}"):
                program, read, taken = _build(sysroot, compiler, language, scratch, run)
                _require_inside(read, (sysroot.root, tools / "ziglang/lib/include"), language, "header")
                _require_inside(taken, (sysroot.root,), language, "file")
                _require_shared(taken, language)
                headers |= read
                inputs |= taken
                _run(sysroot, program, language, run)
    return Proof(languages, len(headers), len(inputs))


def has_cxx(root: Path) -> bool:
    """Whether there are headers of libstdc++."""
    return any(root.glob("usr/include/c++/*/iostream"))


def _build(
    sysroot: Sysroot, compiler: Compiler, language: str, scratch: Path, run: Runner
) -> tuple[Path, set[Path], set[Path]]:
    """The program, the headers that were read, the files that were linked."""
    name = "proof.cc" if language == "C++" else "proof.c"
    source, made, depends = scratch / name, scratch / f"{name}.o", scratch / f"{name}.d"
    source.write_text(_CXX if language == "C++" else _C)
    program = scratch / f"{name}.bin"
    compiling = compiler.command(
        sysroot, language, "-c", source, "-o", made, "-MD", "-MF", depends, "-pthread", cwd=scratch
    )
    linking = compiler.command(
        sysroot, language, made, "-o", program, "-pthread", "-ldl", "-lm", "-Wl,--trace", cwd=scratch
    )
    try:
        run(compiling)
        trace = run(linking).stdout
    except BuildError as err:
        msg = f"sysroot '{sysroot.name}': a {language} program does not build against it\n{err.message}"
        raise VerificationError(
            msg, "what the source lacks has to be installed there, for instance libc6-dev."
        ) from err
    read = {Path(word) for word in _words_of_make(depends.read_text()) if word != str(source)}
    # --trace prints archives with the member: libc_nonshared.a(elf-init.oS).
    taken = {Path(line.partition("(")[0]) for line in trace.splitlines() if line.startswith("/")}
    return program, read, taken - {made}


def _run(sysroot: Sysroot, program: Path, language: str, run: Runner) -> None:
    expected = _EXPECTED[language].format(glibc=sysroot.glibc)
    try:
        done = run(_command_inside(sysroot, program), check=False)
    except NotAvailable as err:
        raise NotAvailable(err.message, "`apt-get install qemu-user-static`, or --no-test.") from err
    if done.returncode != 0 or done.stdout.strip() != expected:
        said = " ".join((done.stdout + done.stderr).split())[:300]
        msg = f"sysroot '{sysroot.name}': a {language} program links, but ends with {done.returncode} in it: {said}"
        raise VerificationError(msg, f"expected '{expected}'; its libraries do not fit together.")


def _command_inside(sysroot: Sysroot, program: Path) -> Command:
    """With the sysroot's own loader and libraries, also where this machine could run the program by itself."""
    if sysroot.arch != host_arch():
        return Command(find_emulator(sysroot.arch), "-L", sysroot.root, program, timeout_s=_RUN_TIMEOUT_S)
    loader = next(sysroot.root.glob(f"lib*/{sysroot.arch.loader}"))
    folders = ":".join(str(folder) for folder in library_folders(sysroot))
    return Command(loader, "--library-path", folders, program, timeout_s=_RUN_TIMEOUT_S)


def library_folders(sysroot: Sysroot) -> list[Path]:
    names = ("lib64", f"lib/{sysroot.arch.triple}", "lib")
    return [place for name in names if (place := sysroot.root / "usr" / name).is_dir()]


def _require_inside(files: Iterable[Path], folders: tuple[Path, ...], language: str, what: str) -> None:
    """Raises VerificationError for what came from elsewhere: then nothing would have been proven."""
    real = [folder.resolve() for folder in folders]
    strays = [file for file in files if not any(file.resolve().is_relative_to(folder) for folder in real)]
    if strays or not files:
        named = ", ".join(map(str, strays[:3])) or "all of them"
        msg = f"the {language} program was built with a {what} from outside the sysroot: {named}"
        raise VerificationError(msg, "the sysroot lacks it.")


def _require_shared(taken: set[Path], language: str) -> None:
    """Raises VerificationError where a static library stood in: what is built later would have the same surprise."""
    library = "libstdc++.so" if language == "C++" else "libc.so"
    if not any(file.name.startswith(library) for file in taken):
        msg = f"the {language} program was not linked with a {library} of the sysroot"
        raise VerificationError(msg, "the link that -l asks for is missing at its source: reinstall the -dev package.")


def _words_of_make(text: str) -> list[str]:
    """The prerequisites of a rule that clang -MD wrote."""
    return text.partition(":")[2].replace("\\\n", " ").split()
