"""The proof that an imported compiler is one: C and C++17 programs compiled, linked with its own libraries, and run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from edgebuild.build.emulate import find_emulator
from edgebuild.elf import highest_versions, read_elf
from edgebuild.errors import BuildError, VerificationError
from edgebuild.model.arch import host_arch
from edgebuild.model.product import Toolchain
from edgebuild.run import CLEAN_BUILD_ENV, Command, Runner
from edgebuild.workspace import Workspace

_TIMEOUT_S = 300.0
_RUN_TIMEOUT_S = 60.0
_C = """\
#include <math.h>
#include <pthread.h>
#include <stdio.h>
static void* work(void* value) { *(double*)value = sqrt(*(double*)value); return NULL; }
int main(void) {
  volatile double start = 1764.0;
  double value = start;
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, &value) || pthread_join(thread, NULL)) return 1;
  printf("C %g\\n", value);
  return 0;
}
"""
# An exception crosses a thread; a constructor of C++17 and optional are what older compilers lack.
_CXX = """\
#include <exception>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
int main() {
  std::vector<std::string> words;
  std::exception_ptr thrown;
  std::thread([&] {
    try { throw std::runtime_error("thrown"); } catch (...) { thrown = std::current_exception(); }
  }).join();
  try { std::rethrow_exception(thrown); }
  catch (const std::exception& error) { words.emplace_back(error.what()); }
  if (std::optional<std::string> word = words.at(0); word) std::cout << "C++ " << *word << std::endl;
}
"""
_PROGRAMS = {"C": ("proof.c", _C, "C 42"), "C++": ("proof.cc", _CXX, "C++ thrown")}
# ld before binutils 2.35 writes "-lm (/where/libm.so)" and "(/where/libc.a)printf.o".
_TRACED = re.compile(r"/[^()\n]+")


def prove_toolchain(
    toolchain: Toolchain, tree: Path, runtime: tuple[Path, ...], *, ws: Workspace, run: Runner
) -> dict[str, dict[str, str]]:
    """Language -> family -> the version that its program needs: {"C++": {"GLIBC": "2.17", "GLIBCXX": "3.4.22"}}.

    tree: whose headers and libraries alone may be used. runtime: folders of the target's libraries in it.
    Raises VerificationError, or NotAvailable without the emulator.
    """
    proven = {}
    with ws.scratch("proof") as scratch:
        for language, (name, source, expected) in _PROGRAMS.items():
            with ws.log.step(f"Compiling, linking and running a {language} program with {toolchain.name}"):
                (scratch / name).write_text(source)
                program = _build(toolchain, tree, language, scratch / name, run)
                _run(toolchain, runtime, program, expected, run)
                proven[language] = highest_versions(read_elf(program))
    return proven


def _build(toolchain: Toolchain, tree: Path, language: str, source: Path, run: Runner) -> Path:
    compiler, standard = (toolchain.cxx, "-std=c++17") if language == "C++" else (toolchain.cc, "-std=c99")
    made, depends, program = (source.with_suffix(suffix) for suffix in (".o", ".d", ".bin"))
    flags = (*toolchain.c_flags, standard, "-O2", "-pthread")

    def command(*words: str | Path) -> Command:
        return Command(compiler, *flags, *words, cwd=source.parent, env=CLEAN_BUILD_ENV, timeout_s=_TIMEOUT_S)

    try:
        run(command("-c", source, "-o", made, "-MD", "-MF", depends))
        linked = run(command(made, "-o", program, *toolchain.link_flags, "-lm", "-Wl,--trace")).stdout
    except BuildError as err:
        msg = f"toolchain '{toolchain.name}': a {language} program does not build with it\n{err.message}"
        raise VerificationError(msg, "it is damaged, not whole, or cannot work where it was unpacked.") from err
    if missing := [path.name for path in (made, depends, program) if not path.is_file()]:
        msg = f"toolchain '{toolchain.name}': its compiler ends well and makes nothing: no {', '.join(missing)}"
        raise VerificationError(msg)
    headers = depends.read_text().partition(":")[2].replace("\\\n", " ").split()
    _require_own((Path(word) for word in headers if word != str(source)), tree, toolchain, f"{language} header")
    _require_own((Path(word) for word in _TRACED.findall(linked) if word != str(made)), tree, toolchain, "library")
    facts = read_elf(program)
    if facts.machine != toolchain.arch.elf_machine:
        msg = f"toolchain '{toolchain.name}': makes programs for {facts.machine}, not for {toolchain.arch.name}"
        raise VerificationError(msg)
    return program


def _require_own(files: Iterable[Path], tree: Path, toolchain: Toolchain, what: str) -> None:
    """A compiler that was configured for another place falls back to the build machine's files without a word."""
    real = tree.resolve()
    strays = sorted({str(file) for file in files if not file.resolve().is_relative_to(real)})
    if strays:
        msg = f"toolchain '{toolchain.name}': takes a {what} from outside itself: {', '.join(strays[:3])}"
        raise VerificationError(msg, "it cannot be used moved; unpack it where it was made for, or take another one.")


def _run(toolchain: Toolchain, runtime: tuple[Path, ...], program: Path, expected: str, run: Runner) -> None:
    loaders = [place for folder in runtime for place in _loader_places(folder, toolchain.arch.loader) if place.exists()]
    if not loaders:
        msg = f"toolchain '{toolchain.name}': there is no {toolchain.arch.loader} in it, which starts its programs"
        raise VerificationError(msg)
    folders = ":".join(map(str, runtime))
    words: tuple[str | Path, ...] = (loaders[0], "--library-path", folders, program)
    if toolchain.arch != host_arch():
        words = (find_emulator(toolchain.arch), *words)
    done = run(Command(*words, timeout_s=_RUN_TIMEOUT_S), check=False)
    if done.returncode != 0 or done.stdout.strip() != expected:
        said = " ".join((done.stdout + done.stderr).split())[:300]
        msg = f"toolchain '{toolchain.name}': a program that it has made ends with {done.returncode}: {said}"
        raise VerificationError(msg, f"expected '{expected}'; its libraries do not fit together.")


def _loader_places(folder: Path, loader: str) -> tuple[Path, ...]:
    """Beside the C library, or in lib of the same root."""
    return (folder / loader, folder.parent / "lib" / loader, folder.parent.parent / "lib" / loader)
