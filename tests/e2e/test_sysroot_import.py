"""A sysroot taken from an emulated arm64 Debian box over real SSH: whole, equal to its root folder's, and usable."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgebuild.build.emulate import emulated_python
from edgebuild.build.root_source import FolderRoot
from edgebuild.build.sysroot import provide_sysroot
from edgebuild.build.sysroot_proof import prove_sysroot, write_linker
from edgebuild.build.toolchain_wheels import provide_tools
from edgebuild.config.contracts import load_contract
from edgebuild.config.targets import load_sysroot, load_toolchain
from edgebuild.deploy.collect import BoxRoot
from edgebuild.deploy.ssh import connect
from edgebuild.deploy.transport import Login
from edgebuild.errors import VerificationError
from edgebuild.model.box import Address
from edgebuild.model.product import Sysroot
from edgebuild.run import run
from edgebuild.workspace import Workspace
from tests.boxes import Box, Rack, Relay
from tests.e2e.deploying import reach
from tests.e2e.harness import ARM, Ended, call, edgebuild

LIB, GCC = "usr/lib/aarch64-linux-gnu", "usr/lib/gcc/aarch64-linux-gnu/10"
# What of each kind the box's packages are known to have (libc6-dev, libstdc++-10-dev, zlib1g-dev, libpython3.9-dev).
MUST_HAVE = (
    "usr/include/stdio.h", "usr/include/aarch64-linux-gnu/bits/libc-header-start.h", "usr/include/c++/10/vector",
    "usr/include/python3.9/Python.h", "usr/include/zlib.h", f"{LIB}/crt1.o", f"{LIB}/crti.o", f"{LIB}/libc.so",
    f"{LIB}/libc_nonshared.a", f"{LIB}/libz.so", f"{LIB}/pkgconfig/zlib.pc", f"{GCC}/crtbeginS.o", f"{GCC}/libgcc.a",
    f"{GCC}/libstdc++.so", f"{GCC}/include/arm_neon.h", "lib/ld-linux-aarch64.so.1", "etc/os-release",
)  # fmt: skip
MUST_NOT_HAVE = (f"{LIB}/libc.a", f"{LIB}/libpthread.a", "usr/bin/bash", "etc/passwd", "usr/lib/python3.9/os.py")
DOCKER = os.environ.get("DOCKER", "docker")
_PROGRAM = """\
#include <zlib.h>
#include <filesystem>
#include <iostream>
#include <thread>
int main() {
  std::string packed(100, 0), text(1000, 'a'), back(1000, 0);
  uLongf size = packed.size(), whole = back.size();
  int code = 0;
  std::thread([&] {
    code |= compress((Bytef*)packed.data(), &size, (const Bytef*)text.data(), text.size());
    code |= uncompress((Bytef*)back.data(), &whole, (const Bytef*)packed.data(), size);
  }).join();
  const bool there = std::filesystem::exists("/etc/os-release");
  std::cout << zlibVersion() << ' ' << code << ' ' << (back == text) << ' ' << there << '\\n';
}
"""

_MODULE = """\
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "answer", NULL, -1, NULL, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_answer(void) {
  PyObject* made = PyModule_Create(&module);
  if (made) PyModule_AddIntConstant(made, "value", 42);
  return made;
}
"""
_PROJECT = {
    "edgebuild.yaml": "{name: hello, version: '1', source: {cmake: .}, targets: [arm64], run: bin/hello}\n",
    "CMakeLists.txt": """\
cmake_minimum_required(VERSION 3.20)
project(hello LANGUAGES C)
add_executable(hello hello.c)
install(TARGETS hello)
""",
    "hello.c": """\
#include <gnu/libc-version.h>
#include <stdio.h>
int main(void) { return puts(gnu_get_libc_version()) < 0; }
""",
}


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory, cache: Workspace) -> Iterator[Rack]:
    with Rack.open(tmp_path_factory.mktemp("rack"), cache) as rack:
        yield rack


@pytest.fixture(scope="module")
def box(rack: Rack) -> Box:
    return rack.add("dev", "dev")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def imported(box: Box, project: Path) -> dict[str, Any]:
    """The document of an import over SSH, with its proof."""
    return dict(import_from(project, "dev-box", *reach(box)).json())


@pytest.fixture
def fresh(tmp_path: Path) -> dict[str, str]:
    """A cache in which nothing has been received."""
    return {"EDGEBUILD_CACHE": str(tmp_path / "cache")}


def import_from(project: Path, name: str, *words: str | Path, env: dict[str, str] | None = None) -> Ended:
    return edgebuild("sysroot", "import", *words, "--as", name, "--json", cwd=project, env=env, timeout_s=600)


def sysroot_of(name: str, project: Path, cache: Workspace) -> Sysroot:
    ws = Workspace(cache=cache.cache, out=project / "out", project=project, log=cache.log)
    return provide_sysroot(name, *load_sysroot(name, ws), ws=ws)


def tools_of(cache: Workspace) -> Path:
    return provide_tools("zig", load_toolchain("zig", cache)[1], ws=cache)[0]


def test_a_box_gives_a_proven_sysroot(imported: dict[str, Any], project: Path) -> None:
    root = Path(imported["path"])
    assert imported["glibc"] == "2.31" and imported["proof"]["languages"] == ["C", "C++"]
    assert imported["proof"]["headers"] > 100 and imported["proof"]["inputs"] > 8
    assert [path for path in MUST_HAVE if not (root / path).is_file()] == []
    assert [path for path in MUST_NOT_HAVE if (root / path).exists()] == []
    absolute = [path for path in root.rglob("*") if path.is_symlink() and path.readlink().is_absolute()]
    dangling = [path for path in root.rglob("*") if path.is_symlink() and not path.exists()]
    assert absolute == dangling == []
    shown = edgebuild("sysroot", "path", "dev-box", cwd=project).succeed()
    assert shown.stdout.strip() == str(root)


def test_the_box_s_own_root_folder_gives_the_same_bytes(
    imported: dict[str, Any], box: Box, tmp_path: Path, fresh: dict[str, str]
) -> None:
    document = import_from(tmp_path, "from-folder", box.path(""), "--no-test", env=fresh).json()
    assert (document["tree"], document["archive"]["sha256"]) == (imported["tree"], imported["archive"]["sha256"])


def test_an_image_of_it_gives_the_same_bytes(
    imported: dict[str, Any], box: Box, tmp_path: Path, fresh: dict[str, str]
) -> None:
    """Packed on this machine, where nothing follows links."""
    tarball = tmp_path / "root.tar"
    call("tar", "-C", box.path(""), "--exclude=./proc", "--exclude=./dev", "-cf", tarball, ".", timeout_s=300).succeed()
    document = import_from(tmp_path, "from-image", tarball, "--no-test", env=fresh).json()
    assert document["tree"] == imported["tree"]


def test_an_image_in_the_engine_gives_the_same_bytes(
    imported: dict[str, Any], box: Box, tmp_path: Path, fresh: dict[str, str]
) -> None:
    name = f"edgebuild-test-root:{os.getpid()}"
    tarball = tmp_path / "root.tar"
    call("tar", "-C", box.path(""), "--exclude=./proc", "--exclude=./dev", "-cf", tarball, ".", timeout_s=300).succeed()
    call(DOCKER, "import", tarball, name, timeout_s=300).succeed()
    try:
        document = import_from(tmp_path, "from-engine", name, "--no-test", env=fresh).json()
    finally:
        call(DOCKER, "image", "rm", name, timeout_s=60).succeed()
    assert document["tree"] == imported["tree"]


def test_the_same_box_before_usr_merge_gives_the_same_bytes(
    imported: dict[str, Any], box: Box, tmp_path: Path, fresh: dict[str, str]
) -> None:
    """What Debian's packages of then have in /lib, in a real folder of that name."""
    split = tmp_path / "root"
    for place in ("usr/include", "usr/lib", "etc"):
        shutil.copytree(box.path(place), split / place, symlinks=True)
    early = split / "lib/aarch64-linux-gnu"
    early.mkdir(parents=True)
    names = ("libc", "libm", "libdl", "libpthread", "libz", "libgcc_s", "ld", "ld-linux-aarch64", "librt", "libutil")
    moved = [path for path in (split / LIB).iterdir() if is_early(path.name, names)]
    for path in moved:
        path.rename(early / path.name)
    (split / "usr/lib/ld-linux-aarch64.so.1").rename(split / "lib/ld-linux-aarch64.so.1")
    assert len(moved) > 15
    document = import_from(tmp_path, "split", split, "--no-test", env=fresh).json()
    assert (document["tree"], document["links_left_out"]) == (imported["tree"], [])


def is_early(file: str, names: tuple[str, ...]) -> bool:
    """libc.so.6, libc-2.31.so, ld-2.31.so, but neither libc.so nor libc.a."""
    stem = file.split(".so")[0].split("-2.31")[0]
    return stem in names and (".so." in file or file.endswith("-2.31.so"))


def test_a_transfer_that_is_cut_goes_on(
    imported: dict[str, Any], box: Box, tmp_path: Path, fresh: dict[str, str]
) -> None:
    known = tmp_path / "known_hosts"
    with Relay(box.address, box.port) as relay:
        known.write_text(f"[{relay.address}]:{relay.port} {box.host_key.split(' ', 1)[1]}\n")
        words = [f"root@{relay.address}:{relay.port}", "--key", box.client_key, "--known-hosts", known, "--no-test"]
        planned = import_from(tmp_path, "cut", *words, "--dry-run", env=fresh).json()["to_receive_bytes"]
        relay.cut_after_receiving(15_000_000)
        first = import_from(tmp_path, "cut", *words, env=fresh)
        assert first.code == 7 and "run it again" in first.stderr, first.stderr
        assert not (tmp_path / "sysroots").exists()
        rest = import_from(tmp_path, "cut", *words, env=fresh).json()
    assert rest["tree"] == imported["tree"]
    print(f"{planned / 1e6:.1f} MB planned, {rest['received_bytes'] / 1e6:.1f} MB after the cut")
    assert 0 < rest["received_bytes"] < planned - 10_000_000


def test_a_program_built_against_it_runs_on_the_box(
    imported: dict[str, Any], box: Box, project: Path, cache: Workspace, tmp_path: Path
) -> None:
    source = tmp_path / "program.cc"
    source.write_text(_PROGRAM)
    compiler = write_linker(tools_of(cache), tmp_path)
    sysroot = sysroot_of("dev-box", project, cache)
    run(compiler.command(sysroot, "C++", "-std=c++17", "-O2", "-pthread", source, "-lz", "-o", "program", cwd=tmp_path))
    program = (tmp_path / "program").read_bytes()
    answer = box.run("cat > /var/lib/program && chmod 755 /var/lib/program && /var/lib/program", stdin=program)
    assert (answer.code, answer.stdout) == (0, "1.2.11 0 1 1\n"), answer.stderr


@pytest.mark.parametrize(
    ("gone", "language"),
    [
        ("usr/include/dlfcn.h", "C"),
        (f"{LIB}/Scrt1.o", "C"),
        (f"{LIB}/libc_nonshared.a", "C"),
        (f"{LIB}/libpthread.so.0", "C"),
        (f"{LIB}/ld-2.31.so", "C"),
        (f"{GCC}/crtbeginS.o", "C"),
        (f"{GCC}/libgcc.a", "C"),
        ("usr/include/aarch64-linux-gnu/c++/10/bits/c++config.h", "C++"),
        (f"{GCC}/libstdc++.so", "C++"),
        (f"{LIB}/libgcc_s.so.1", "C"),
    ],
)
def test_a_sysroot_that_lacks_one_file_is_not_proven(
    gone: str, language: str, imported: dict[str, Any], project: Path, cache: Workspace, tmp_path: Path
) -> None:
    whole = sysroot_of("dev-box", project, cache)
    broken = tmp_path / "broken"
    shutil.copytree(whole.root, broken, symlinks=True, copy_function=link_or_copy)
    (broken / gone).unlink()
    sysroot = Sysroot(name="broken", digest="", arch=whole.arch, glibc=whole.glibc, root=broken)
    with pytest.raises(VerificationError, match=rf"a {language.replace('+', '[+]')} program|the {language[0]}"):
        prove_sysroot(sysroot, tools_of(cache), ws=cache, run=run)


def link_or_copy(source: str, target: str) -> None:
    os.link(source, target, follow_symlinks=False)


def test_python_and_its_headers_come_along_where_they_are_wanted(box: Box, cache: Workspace, tmp_path: Path) -> None:
    """A module that is compiled with the imported headers is imported by the imported interpreter."""
    import_from(tmp_path, "with-python", box.path(""), "--with-python", "--no-test").succeed()
    sysroot = sysroot_of("with-python", tmp_path, cache)
    (tmp_path / "answer.c").write_text(_MODULE)
    module = "answer.cpython-39-aarch64-linux-gnu.so"
    words = ("-shared", "-fPIC", f"-I{sysroot.root}/usr/include/python3.9", "answer.c", "-o", module)
    run(write_linker(tools_of(cache), tmp_path).command(sysroot, "C", *words, cwd=tmp_path))
    contract = load_contract("generic-arm64", cache).contract
    script = ("-c", "import sys, json, ctypes, answer; print(sys.version_info[:2], answer.value)")
    command = emulated_python(sysroot.arch, contract, sysroot, "3.9", script, path=(tmp_path,), ws=cache, timeout_s=120)
    assert run(command).stdout.strip() == "(3, 9) 42"


def test_an_artifact_runs_in_it(imported: dict[str, Any], project: Path) -> None:
    """`edgebuild run --root` takes an imported sysroot as any other."""
    for name, content in _PROJECT.items():
        (project / name).write_text(content)
    edgebuild("build", "--target", ARM, cwd=project, timeout_s=900).succeed()
    ended = edgebuild("run", "--target", ARM, "--root", "dev-box", "--", "bin/hello", cwd=project).succeed()
    assert ended.stdout == "2.31\n"
    unknown = edgebuild("run", "--target", ARM, "--root", "dev-bux", "--", "bin/hello", cwd=project)
    assert unknown.code == 2 and "did you mean 'dev-box'" in unknown.stderr


def test_a_busybox_box_lists_and_sends_what_its_root_folder_has(rack: Rack) -> None:
    """No sysroot can come of it, but the same script runs there."""
    small = rack.add("dropbear", "small")
    address = Address(small.address, "root", small.port)
    transport = connect(Login(address, key=small.client_key, known_hosts=small.known_hosts))
    places = ("lib", "usr/lib", "etc/os-release", "etc/init.d", "usr/bin")
    try:
        here, there = FolderRoot(small.path("")), BoxRoot(transport)
        listed = {each.path: each for each in there.find(places)}
        assert listed == {each.path: each for each in here.find(places)} and len(listed) > 100
        paths = [each.path for each in listed.values() if not each.link]
        assert there.digests(paths) == here.digests(paths)
        read = [bytearray(), bytearray()]
        there.send(paths, read[0].extend)
        here.send(paths, read[1].extend)
        assert read[0] == read[1]
    finally:
        transport.close()


def test_a_box_without_headers_says_what_to_install(rack: Rack, tmp_path: Path, fresh: dict[str, str]) -> None:
    plain = rack.add("openssh", "plain")
    ended = import_from(tmp_path, "plain", *reach(plain), env=fresh)
    assert ended.code == 3 and "no headers of the C library" in ended.stderr and "libc6-dev" in ended.stderr
    assert not (tmp_path / "sysroots").exists()


def test_an_sdk_on_a_box_is_the_same_as_in_its_folder(box: Box, tmp_path: Path, fresh: dict[str, str]) -> None:
    """A library of the system stands for a vendor's among them: what --only does not name is not sent."""
    words = ("--path", "/usr/lib/aarch64-linux-gnu", "--only", "*/libatomic.so.1", "--version", "10", "--json")
    agreed = ("--licence", "GPL with exception", "--accept-licence", "GPL with exception")
    places = {"ssh": reach(box), "folder": (box.path(""),)}
    documents = {
        name: edgebuild("sdk", "import", *place, "--as", name, *words, *agreed, cwd=tmp_path, env=fresh).json()
        for name, place in places.items()
    }
    assert documents["ssh"]["tree"] == documents["folder"]["tree"] and documents["ssh"]["arch"] == "aarch64"
    (library,) = documents["ssh"]["libraries"]
    assert library["soname"] == "libatomic.so.1" and library["path"].startswith("usr/lib/aarch64-linux-gnu/")
