"""A base is what its recipe keeps of locked packages, and whole; what would miss a library over it is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from edgebuild.audit.engine import audit, refusals
from edgebuild.build.image_base import audit_base, provide_image_base
from edgebuild.config.images import load_image_recipe, sysroot_of
from edgebuild.config.targets import load_sysroot
from edgebuild.elf import read_elf
from edgebuild.errors import AuditError, ConfigError
from edgebuild.fetch import cached_path
from edgebuild.inputs import read_artifact
from edgebuild.model.contract import Contract, CpuSpec, EngineFacts, Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.image import ImageBase, ImageRecipe, ImageUser
from edgebuild.model.recipe import Download, SysrootLock
from edgebuild.package.oci import write_image
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf
from tests.unit.test_unpack import LINK, make_deb, member, special

LOADER = "ld-linux-aarch64.so.1"
FOLDER = "usr/lib/aarch64-linux-gnu"
RECIPE = ImageRecipe(
    title="Tiny",
    sysroots={"aarch64": "acme"},
    packages=("libc6",),
    keep=("lib", "lib64", "usr/lib/*/*.so.*", "usr/share/doc/*/copyright", "usr/share/doc/*"),
    user=ImageUser(name="edge", uid=65532, gid=65532),
    os_release={"ID": "acme"},
)
BOX = Contract(title="box", arch="aarch64", cpu=CpuSpec(model="a", emulated_as="b"), libraries={}, page_size=65536)
LIBC = Elf(
    soname="libc.so.6",
    needed=(LOADER,),
    needs={LOADER: {"GLIBC_PRIVATE": ("_dl_x",)}},
    defines=("libc.so.6", "GLIBC_2.17", "GLIBC_2.36", "GLIBC_2.4", "GLIBC_PRIVATE"),
)
LD_SO = Elf(soname=LOADER, defines=(LOADER, "GLIBC_2.17", "GLIBC_PRIVATE"))


def facts(name: str, elf: Elf, tmp_path: Path) -> ElfFacts:
    path = tmp_path / Path(name).name
    path.write_bytes(write_elf(elf))
    return read_elf(path, name=name)


def lock_with(ws: Workspace, deb: Path, file: str = "libc6_2.36-9_arm64.deb") -> SysrootLock:
    """A package that the cache has already."""
    package = Download(file=file, sha256=hashlib.sha256(deb.read_bytes()).hexdigest(), url="http://nowhere/")
    place = cached_path(package, ws)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(deb.read_bytes())
    return SysrootLock(recipe="0" * 64, glibc="2.36", packages=(package,))


@pytest.fixture
def lock(ws: Workspace, tmp_path: Path) -> SysrootLock:
    deb = make_deb(
        tmp_path,
        member(f"./lib/aarch64-linux-gnu/{LOADER}", write_elf(LD_SO), mode=0o755),
        member(f"./{FOLDER}/libc.so.6", write_elf(LIBC), mode=0o755),
        member(f"./{FOLDER}/libtrace.so", b"t"),
        member(f"./{FOLDER}/gconv/UTF.so.1", b"g"),
        member("./usr/bin/ldd", b"#!/bin/bash", mode=0o755),
        member("./usr/share/doc/libc6/copyright", b"terms"),
        member("./usr/share/doc/libc6/changelog.gz", b"log"),
        special("./usr/share/doc/libc-extra", LINK, "libc6"),
        special("./usr/share/doc/gone", LINK, "dropped"),
        control="Package: libc6\nVersion: 2.36-9\n",
    )
    return lock_with(ws, deb)


@pytest.fixture
def base(lock: SysrootLock, ws: Workspace) -> ImageBase:
    return provide_image_base("tiny", RECIPE, "aarch64", lock, ws=ws)


def test_only_what_the_recipe_keeps_is_in_it(base: ImageBase) -> None:
    found = {path.relative_to(base.root).as_posix() for path in base.root.rglob("*") if not path.is_dir()}
    assert found == {
        f"{FOLDER}/{LOADER}",
        f"{FOLDER}/libc.so.6",
        "usr/share/doc/libc6/copyright",
        "var/lib/dpkg/status.d/libc6",
        "etc/passwd",
        "etc/group",
        "etc/nsswitch.conf",
        "etc/os-release",
    }
    links = {path.relative_to(base.root).as_posix() for path in base.root.rglob("*") if path.is_symlink()}
    assert links == {"lib", "usr/share/doc/libc-extra"}, "no link that leads nowhere"


def test_scanners_find_distribution_and_versions(base: ImageBase) -> None:
    status = (base.root / "var/lib/dpkg/status.d/libc6").read_text()
    assert status == "Package: libc6\nVersion: 2.36-9\n"
    assert (base.root / "etc/os-release").read_text() == 'ID="acme"\n'


def test_the_user_is_known_by_name_and_is_not_root(base: ImageBase) -> None:
    accounts = [line.split(":") for line in (base.root / "etc/passwd").read_text().splitlines()]
    assert [(name, uid) for name, _, uid, *_ in accounts] == [("root", "0"), ("edge", "65532")]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "root", "uid": 0, "gid": 0}, ImageUser)


def test_a_package_that_the_lock_lacks_is_named(lock: SysrootLock, ws: Workspace) -> None:
    recipe = msgspec.structs.replace(RECIPE, packages=("libc6", "libacme1"))
    with pytest.raises(ConfigError, match="libacme1"):
        provide_image_base("tiny", recipe, "aarch64", lock, ws=ws)


def test_what_decides_its_bytes_decides_its_digest(base: ImageBase, lock: SysrootLock, ws: Workspace) -> None:
    for change in (
        {"keep": (*RECIPE.keep, "usr/bin/*")},
        {"user": ImageUser(name="edge", uid=7, gid=7)},
        {"os_release": {}},
    ):
        other = provide_image_base("tiny", msgspec.structs.replace(RECIPE, **change), "aarch64", lock, ws=ws)
        assert other.digest != base.digest
    renamed = msgspec.structs.replace(RECIPE, title="Other words")
    assert provide_image_base("tiny", renamed, "aarch64", lock, ws=ws).digest == base.digest


# ---- The gate ----


def test_a_base_is_whole_in_itself(tmp_path: Path) -> None:
    libc, ld_so = facts("libc.so.6", LIBC, tmp_path), facts(LOADER, LD_SO, tmp_path)
    assert audit_base([libc, ld_so], LOADER) == ()


@pytest.mark.parametrize(
    ("elves", "codes"),
    [
        ([LIBC], ["A107", "A103"]),
        ([LIBC, Elf(soname=LOADER, defines=("GLIBC_2.17",))], ["A102"]),
        ([LD_SO, Elf(soname="libm.so.6", needed=("libc.so.6",))], ["A103"]),
    ],
)
def test_a_base_with_a_hole_is_refused(elves: list[Elf], codes: list[str], tmp_path: Path) -> None:
    found = audit_base([facts(elf.soname, elf, tmp_path) for elf in elves], LOADER)
    assert [finding.code for finding in found] == codes


def test_a_base_without_its_loader_is_no_base(ws: Workspace, tmp_path: Path) -> None:
    deb = make_deb(tmp_path, member(f"./{FOLDER}/libc.so.6", write_elf(LIBC)), control="Package: libc6\n")
    with pytest.raises(AuditError, match="not whole"):
        provide_image_base("tiny", RECIPE, "aarch64", lock_with(ws, deb), ws=ws)


@pytest.mark.parametrize(
    ("program", "refusal"),
    [
        (Elf(needed=("libc.so.6",), needs={"libc.so.6": {"GLIBC_2.36": ()}}), ""),
        (Elf(needed=("libc.so.6",), needs={"libc.so.6": {"GLIBC_2.38": ()}}), "GLIBC_2.38"),
        (Elf(needed=("libz.so.1",)), "libz.so.1"),
        (Elf(machine="EM_X86_64"), "X86_64"),
        (Elf(needed=("libx.so.1",), runpath="$ORIGIN/../lib"), ""),
    ],
)
def test_what_would_miss_something_in_the_container_is_refused(
    program: Elf, refusal: str, base: ImageBase, tmp_path: Path, ws: Workspace
) -> None:
    """The written image is read as a stranger's would be. The box's libz is on the box, not in the container."""
    tree = tmp_path / "tree"
    for name, elf in {"bin/acme": program, "lib/libx.so.1": Elf(soname="libx.so.1")}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(write_elf(elf))
        (tree / name).chmod(0o755)
    image = tmp_path / "acme.tar"
    write_image(base, tree, image, name="acme", version="1", target="box", command=("/app/bin/acme",), ws=ws)
    engine = EngineFacts(name="docker", version="20.10.24", layers=("none", "gzip"), seccomp="2.5.4", mounts=())
    box = msgspec.structs.replace(BOX, libraries={"libz.so.1": {}}, engine=engine, free_bytes=1 << 30)
    refused = refusals(audit(read_artifact(image, ws=ws), Provided(box)))
    assert bool(refused) == bool(refusal), refused
    assert all(refusal in finding.message for finding in refused), refused


# ---- The recipes we ship ----


def test_every_shipped_recipe_names_packages_that_are_locked(ws: Workspace) -> None:
    names = ws.names("images")
    assert names
    for name in names:
        recipe = load_image_recipe(name, ws)
        for arch in recipe.sysroots:
            sysroot, lock = load_sysroot(sysroot_of(name, recipe, arch), ws)
            assert sysroot.arch == arch
            locked = {package.file.split("_")[0] for package in lock.packages}
            assert set(recipe.packages) <= locked


def test_errors_of_a_recipe_name_file_and_remedy(ws: Workspace) -> None:
    with pytest.raises(ConfigError, match="no image named 'debian-11'") as caught:
        load_image_recipe("debian-11", ws)
    assert "debian-12" in caught.value.hint
    own = ws.project / "images" / "mine.yaml"
    own.parent.mkdir(parents=True)
    text = "title: t\nsysroots: {aarch64: a}\npackages: [p]\nkeep: [/usr]\nuser: {name: e, uid: 1, gid: 1}\n"
    own.write_text(text)
    with pytest.raises(ConfigError, match="'/usr' is not below the root"):
        load_image_recipe("mine", ws)
    own.write_text(text.replace("/usr", "usr").replace("uid: 1", "uid: 0"))
    with pytest.raises(ConfigError, match="uid"):
        load_image_recipe("mine", ws)
    own.write_text(text.replace("/usr", "usr"))
    with pytest.raises(ConfigError, match="none for x86_64"):
        sysroot_of("mine", load_image_recipe("mine", ws), "x86_64")
