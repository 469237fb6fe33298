"""An imported GCC: found whatever it is called, asked what it is, repaired from beside, refused with the reason."""

from __future__ import annotations

import dataclasses
import io
import os
import tarfile
from pathlib import Path

import msgspec
import pytest
import yaml

from edgebuild.build import gcc_layout, toolchain_gcc
from edgebuild.build.cmake import render_toolchain_file
from edgebuild.build.conan_profile import render_profile
from edgebuild.build.gcc_layout import Found, find_compilers, find_layout
from edgebuild.build.toolchain_gcc import render_scripts, repair_script
from edgebuild.cli import main
from edgebuild.commands import toolchain_import
from edgebuild.config.targets import load_toolchain, recipe_digest
from edgebuild.errors import ConfigError, NotAvailable, VerificationError
from edgebuild.model.arch import ARCHES
from edgebuild.model.recipe import Download, GccLayout, GccRecipe, ImportedGcc, ToolchainLock
from edgebuild.model.target import ToolchainSpec
from edgebuild.run import run
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf
from tests.toolchains import TOOLCHAIN

TRIPLE = "aarch64-acme-linux-gnu"
TOOLS = ("ar", "ranlib", "nm", "strip", "objcopy")
TARGET_LIB = f"{TRIPLE}/libc/lib"
BANNER = b"GNU C Library (Acme) stable release version 2.28."
# Answers as GCC does. Its top folder is known by where it lies.
COMPILER = """\
#!/bin/sh
top=$(cd "$(dirname "$0")/.." && pwd)
for word do
  case $word in
    -print-sysroot) echo {sysroot} ;;
    -print-prog-name=*) echo "{programs}/${{word#*=}}" ;;
    -print-file-name=libc.so.6) echo {libc} ;;
    -print-file-name=*) echo "$top/{lib}/${{word#*=}}" ;;
    -dumpmachine) echo {triple} ;;
    -dumpfullversion) echo 8.3.0 ;;
  esac
done
"""


@pytest.fixture(autouse=True)
def on_x86_64(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gcc_layout, toolchain_gcc):
        monkeypatch.setattr(module, "host_arch", lambda: ARCHES["x86_64"])


def put(path: Path, content: bytes | str, *, executable: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o755 if executable else 0o644)
    return path


def make_gcc(
    root: Path,
    triple: str = TRIPLE,
    *,
    suffix: str = "",
    sysroot: str = f'"$top/{TRIPLE}/libc"',
    programs: str = "$top/libexec",
    libc: str = f'"$top/{TARGET_LIB}/libc.so.6"',
    lib: str = TARGET_LIB,
) -> Path:
    """A GCC whose programs are shell scripts, with a C library and a libstdc++ that say what they are."""
    answers = COMPILER.format(sysroot=sysroot, programs=programs, libc=libc, lib=lib, triple=triple)
    for name in ("gcc", "g++"):
        put(root / f"bin/{triple}-{name}{suffix}", answers)
    for name in TOOLS:
        put(root / f"bin/{triple}-{name}", "#!/bin/sh\n")
    for name in ("cc1", "cc1plus", "as", "ld"):
        put(root / f"libexec/{name}", "#!/bin/sh\n")
    put(root / lib / "libc.so.6", write_elf(Elf()) + BANNER)
    put(root / lib / "libstdc++.so.6", write_elf(Elf(defines=["GLIBCXX_3.4", "GLIBCXX_3.4.25", "CXXABI_1.3.11"])))
    return root


def look(root: Path, tmp_path: Path, triple: str = "") -> Found:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return find_layout(root, find_compilers(root, "acme", triple), "acme", scratch=scratch, run=run)


def test_it_is_found_in_its_folder_and_asked_what_it_is(tmp_path: Path) -> None:
    make_gcc(tmp_path / "x" / "gcc-acme-8.3")
    found = look(tmp_path / "x", tmp_path)
    assert (found.arch.name, found.glibc, found.glibcxx) == ("aarch64", "2.28", "3.4.25")
    layout = found.layout
    assert (layout.triple, layout.gcc) == (TRIPLE, "8.3.0")
    assert layout.programs["c++"] == f"gcc-acme-8.3/bin/{TRIPLE}-g++"
    assert layout.sysroot == f"gcc-acme-8.3/{TRIPLE}/libc" and not layout.sysroot_flag
    assert layout.runtime == (f"gcc-acme-8.3/{TARGET_LIB}",)


def test_of_several_names_for_one_compiler_the_longest_is_taken(tmp_path: Path) -> None:
    root = make_gcc(tmp_path / "x")
    for path in [*root.glob("bin/*")]:
        path.with_name(path.name.replace(TRIPLE, "aarch64-linux")).symlink_to(path.name)
        put(path.with_name(path.name + ".br_real"), "#!/bin/sh\nexit 1\n")
    assert find_compilers(root, "acme").triple == TRIPLE


def test_a_compiler_with_a_number_behind_it_is_found_and_a_name_without_one_is_preferred(tmp_path: Path) -> None:
    root = make_gcc(tmp_path / "x", suffix="-9")
    make_gcc(root, suffix="-10")
    assert look(root, tmp_path).layout.programs["cc"] == f"bin/{TRIPLE}-gcc-10"
    make_gcc(root)
    assert find_compilers(root, "acme").suffix == ""


def test_of_compilers_for_several_machines_one_has_to_be_named(tmp_path: Path) -> None:
    root = make_gcc(make_gcc(tmp_path / "x"), "x86_64-acme-linux-gnu")
    with pytest.raises(ConfigError, match=f"{TRIPLE}, x86_64-acme-linux-gnu"):
        find_compilers(root, "acme")
    assert find_compilers(root, "acme", TRIPLE).triple == TRIPLE
    with pytest.raises(ConfigError, match=r"no riscv64-g[+][+] in acme") as told:
        find_compilers(root, "acme", "riscv64")
    assert TRIPLE in told.value.hint


def test_a_folder_of_the_system_is_not_taken_for_a_toolchain(tmp_path: Path) -> None:
    root = make_gcc(tmp_path / "usr")
    put(root / "bin/sh", "#!/bin/sh\n")
    with pytest.raises(ConfigError, match="bin in it is a system's own"):
        find_compilers(root, "usr")


def test_a_compiler_for_the_root_of_a_system_is_told_where_it_lies(tmp_path: Path) -> None:
    """Debian's: it lies in usr/bin, says "/", and its libraries are in usr/TRIPLE/lib."""
    lib = f"{TRIPLE}/lib"
    make_gcc(tmp_path / "x/usr", sysroot="/", libc=f'"$top/{lib}/libc.so.6"', lib=lib)
    layout = look(tmp_path / "x", tmp_path).layout
    assert (layout.sysroot, layout.sysroot_flag) == (".", True)
    words = render_scripts(layout, Path("/tree"), Path("/beside"))["c++"]
    assert "--sysroot=/tree " in words and f"-Wl,-rpath-link,/tree/usr/{lib}" in words


def test_linker_scripts_of_another_place_are_repaired_where_their_libraries_lie_beside_them(tmp_path: Path) -> None:
    root = make_gcc(tmp_path / "x")
    script = "/* GNU ld script */\nGROUP ( /opt/old/lib/libc.so.6 /opt/old/lib/libc_nonshared.a )\n"
    put(root / TARGET_LIB / "libc.so", script, executable=False)
    put(root / TARGET_LIB / "libc_nonshared.a", "!<arch>\n", executable=False)
    put(root / TARGET_LIB / "libm.so", "GROUP ( /lib/libc.so.6 )\n", executable=False)  # right inside the sysroot
    layout = look(root, tmp_path).layout
    assert layout.scripts == (f"{TARGET_LIB}/libc.so",)
    repaired = repair_script(script, root / TARGET_LIB)
    assert repaired == "/* GNU ld script */\nGROUP ( libc.so.6 libc_nonshared.a )\n"
    assert "-L/beside/lib" in render_scripts(layout, Path("/tree"), Path("/beside"))["cc"]


def test_its_own_libraries_are_found_but_never_its_c_library(tmp_path: Path) -> None:
    """A C library of another build than the loader ends every program at once."""
    root = make_gcc(tmp_path / "x", programs="$top/usable")
    host = {"machine": "EM_X86_64"}
    put(root / "libexec/cc1", write_elf(Elf(**host, needed=["libgmp.so.10", "libc.so.6", "libm.so.6"])))
    put(root / "libexec/as", write_elf(Elf(**host, needed=["libbfd.so"], runpath="$ORIGIN/../lib")))
    for name in ("cc1", "cc1plus", "as", "ld"):
        put(root / f"usable/{name}", "#!/bin/sh\n")
    put(root / "a/libgmp.so.10", write_elf(Elf(machine="EM_AARCH64")))  # the target's, and first by name
    for name in ("libgmp.so.10", "libc.so.6", "libm.so.6", "libbfd.so"):
        put(root / f"lib/{name}", write_elf(Elf(**host)))
    layout = look(root, tmp_path).layout
    assert layout.host_libraries == ("lib/libgmp.so.10",)
    assert "LD_LIBRARY_PATH=/beside/host exec" in render_scripts(layout, Path("/tree"), Path("/beside"))["ar"]
    assert (tmp_path / "scratch/libgmp.so.10").readlink() == root / "lib/libgmp.so.10"


def test_what_a_shell_carries_does_not_steer_it(tmp_path: Path) -> None:
    layout = GccLayout(
        triple=TRIPLE,
        gcc="8.3.0",
        programs=dict.fromkeys(("cc", "c++", *TOOLS), "bin/it"),
        sysroot=".",
        runtime=(),
    )
    script = render_scripts(layout, Path("/a tree"), Path("/beside"))["cc"]
    assert "unset GCC_EXEC_PREFIX COMPILER_PATH LIBRARY_PATH CPATH" in script
    assert "exec '/a tree/bin/it' \"$@\"" in script and "LD_LIBRARY_PATH" not in script


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"triple": "armv7-acme-linux-gnueabihf"}, "compiles for armv7-acme-linux-gnueabihf, and no row is for such"),
        ({"libc": "libc.so.6"}, r"there is no libc.so.6 in it \(it finds none\)"),
        ({"libc": "/usr/lib/libc.so.6"}, r"there is no libc.so.6 in it \(it would take /usr/lib/libc.so.6\)"),
        ({"programs": "/usr/bin"}, "would take /usr/bin/cc1 of this machine for its own 'cc1'"),
        ({"programs": ""}, "of this machine for its own 'cc1'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(how: dict[str, str], message: str, tmp_path: Path) -> None:
    root = make_gcc(tmp_path / "x", **how)  # type: ignore[arg-type]
    with pytest.raises(VerificationError, match=message):
        look(root, tmp_path)


def test_programs_of_another_machine_are_refused(tmp_path: Path) -> None:
    root = make_gcc(tmp_path / "x")
    put(root / "libexec/cc1plus", write_elf(Elf(machine="EM_AARCH64")))
    with pytest.raises(VerificationError, match="its cc1plus is a program for aarch64, and this machine is x86_64"):
        look(root, tmp_path)


def test_a_program_that_does_not_start_is_named_with_the_loaders_words(tmp_path: Path) -> None:
    root = make_gcc(tmp_path / "x")
    put(root / "libexec/as", "#!/bin/sh\necho 'libold.so.3: cannot open shared object file' >&2\nexit 127\n")
    with pytest.raises(VerificationError, match=r"its as does not run on this machine: .*libold\.so\.3: cannot open"):
        look(root, tmp_path)


def test_a_compiler_without_its_binutils_is_not_whole(tmp_path: Path) -> None:
    root = make_gcc(tmp_path / "x")
    (root / f"bin/{TRIPLE}-objcopy").unlink()
    with pytest.raises(VerificationError, match=f"not whole: there is no bin/{TRIPLE}-objcopy"):
        look(root, tmp_path)


def test_an_old_gcc_is_called_by_what_it_knows(tmp_path: Path, ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain_gcc, "provide_gcc_tree", lambda *_, **__: tmp_path)
    programs = dict.fromkeys(("cc", "c++", *TOOLS), "bin/it")
    layout = GccLayout(triple=TRIPLE, gcc="7.5.0", programs=programs, sysroot="libc", runtime=("libc/lib",))
    archive = Download(file="gcc.tar.xz", sha256="0" * 64)
    imported = ImportedGcc(archive=archive, build_machine="x86_64", layout=layout, glibc="2.25", glibcxx="3.4.24")
    recipe = GccRecipe(title="GCC", arch="aarch64", host="zig")
    spec = ToolchainSpec(name="old", recipe=recipe, lock=ToolchainLock(recipe="r", imported=imported))
    toolchain = toolchain_gcc.provide_gcc(spec, ARCHES["aarch64"], TOOLCHAIN, ws=ws, run=run)
    assert (toolchain.floor, toolchain.label, toolchain.static_runtime) == ("2.25", "aarch64-old", False)
    assert toolchain.host_cc == TOOLCHAIN.host_cc
    assert "compiler=gcc\ncompiler.version=7\n" in render_profile(toolchain, Path("/tc.cmake"))
    cmake = render_toolchain_file(toolchain, prefixes=(), prefix_map={Path("/src"): "src"})
    assert "-fdebug-prefix-map=/src=src" in cmake and "-ffile-prefix-map" not in cmake, "GCC 8 has that"
    assert f'set(CMAKE_SYSROOT "{tmp_path}/libc")' in cmake
    newer = msgspec.structs.replace(imported, archive=msgspec.structs.replace(archive, sha256="1" * 64))
    other = msgspec.structs.replace(spec, lock=ToolchainLock(recipe="r", imported=newer))
    assert toolchain_gcc.provide_gcc(other, ARCHES["aarch64"], TOOLCHAIN, ws=ws, run=run).digest != toolchain.digest
    elsewhere = msgspec.structs.replace(
        spec, lock=ToolchainLock(recipe="r", imported=msgspec.structs.replace(imported, build_machine="aarch64"))
    )
    with pytest.raises(NotAvailable, match="runs on aarch64 machines, and this one is x86_64"):
        toolchain_gcc.provide_gcc(elsewhere, ARCHES["aarch64"], TOOLCHAIN, ws=ws, run=run)


def test_a_save_that_is_interrupted_makes_no_toolchain(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """One without a lock would stop every list; a folder's name stands in the lock's first line."""
    layout = GccLayout(triple=TRIPLE, gcc="7.5.0", programs={"cc": "bin/it"}, sysroot="libc", runtime=("libc/lib",))
    archive = Download(file="gcc.tar.xz", sha256="0" * 64)
    imported = ImportedGcc(archive=archive, build_machine="x86_64", layout=layout, glibc="2.25", glibcxx="3.4.24")
    recipe = GccRecipe(title="GCC", arch="aarch64", host="zig", source="/gcc\nkind: zig")
    spec = ToolchainSpec(name="acme", recipe=recipe, lock=ToolchainLock(recipe="", imported=imported))
    file = ws.project / "toolchains/acme.yaml"

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(toolchain_import, "save_lock", interrupted)
        toolchain_import._save(file, spec, imported, ws)
    assert "acme" not in ws.names("toolchains")
    toolchain_import._save(file, spec, imported, ws)
    assert load_toolchain("acme", ws) == (recipe, ToolchainLock(recipe=recipe_digest(file), imported=imported))


def test_what_was_edited_in_the_recipe_is_still_there_after_another_import(ws: Workspace, tmp_path: Path) -> None:
    """Its lock no longer matches then, so that another import is what edgebuild itself asks for."""
    found = look(make_gcc(tmp_path / "gcc"), tmp_path)
    archive = Download(file="gcc.tar.xz", sha256="0" * 64)
    file = ws.project / "toolchains/acme.yaml"

    def again(source: str, url: str = "") -> GccRecipe:
        spec = toolchain_import._spec("acme", Path(source), url, archive, found, ws)
        assert spec.lock.imported and isinstance(spec.recipe, GccRecipe)
        toolchain_import._save(file, spec, spec.lock.imported, ws)
        return spec.recipe

    first = again("/gcc", "https://example.org/gcc.tar.xz")
    edited = {"title": "Our GCC", "c_flags": ["-O3"], "link_flags": ["-Wl,--build-id=none"]}
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **edited}))
    same = again("/gcc")
    assert (same.title, same.c_flags, same.link_flags, same.url) == (
        "Our GCC",
        ("-O3",),
        ("-Wl,--build-id=none",),
        first.url,
    )
    other = again("/gcc-9")
    assert (other.title, other.c_flags, other.url) == (first.title, ("-O3",), "")
    found = dataclasses.replace(found, glibc="2.31")
    assert again("/gcc-9").title.endswith("glibc 2.31"), "nobody has edited it, and another toolchain lies there"


# ---- The command ----


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project and a cache of its own."""
    monkeypatch.setenv("EDGEBUILD_CACHE", str(tmp_path / "cache"))
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return project


def importing(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["toolchain", "import", *map(str, words)])
    return int(ended.value.code or 0), capsys.readouterr().err


def archive_of(place: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(place, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size) if member.isreg() else None)
    return place


def member(name: str, *, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    if link:
        info.type, info.linkname = tarfile.SYMTYPE, link
    else:
        info.size = 1
    return info


@pytest.mark.parametrize(
    "bad", [member("../escaped"), member("gcc/../../escaped"), member("gcc/lib", link="../../etc")]
)
def test_an_archive_that_would_leave_its_folder_is_refused(
    bad: tarfile.TarInfo, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = archive_of(tmp_path / "gcc.tar.gz", member(f"gcc/bin/{TRIPLE}-g++"), bad)
    code, said = importing(capsys, archive, "--as", "acme")
    assert code == 6 and "would leave the folder" in said
    assert said.startswith("error: gcc.tar.gz: ") or "\nerror: gcc.tar.gz: " in said, "as its owner calls it"
    assert not (tmp_path / "escaped").exists() and not [*home.rglob("acme*")]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("empty", "--as", "acme"), 6, "there is no cross compiler in it: no program called TRIPLE-g++"),
        (("text", "--as", "acme"), 6, "damaged archive"),
        (("empty", "--as", "Acme GCC"), 2, "'Acme GCC' is not a name"),
        (("empty", "--as", "zig"), 2, "there is a toolchain 'zig' already, which was not imported"),
        (("nowhere", "--as", "acme"), 2, "nowhere"),
        (("", "--as", "acme"), 2, "it names nothing"),
    ],
)
def test_a_wrong_source_or_name_is_refused(
    words: tuple[str, ...], code: int, message: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "empty").mkdir()
    (home / "text").write_text("no archive\n")
    ended, said = importing(capsys, *words)
    assert ended == code and message in said, said
    assert "Traceback" not in said and not (home / "toolchains").exists()


def test_nothing_half_written_stays_when_the_proof_fails(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgebuild.build import toolchain_zig

    monkeypatch.setattr(toolchain_zig, "provide_tools", lambda *_, **__: (tmp_path, "d"))  # the host's compilers
    code, said = importing(capsys, make_gcc(tmp_path / "gcc"), "--as", "acme")
    assert code == 6, said
    assert "toolchain 'acme': its compiler ends well and makes nothing" in said
    assert not (home / "toolchains").exists(), "neither recipe nor lock"
    assert not list(Path(os.environ["EDGEBUILD_CACHE"]).rglob("*-g++")), "what is refused does not fill the cache"
    assert not list(Path(os.environ["EDGEBUILD_CACHE"]).glob("downloads/*/*"))
