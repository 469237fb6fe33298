"""Artifacts of every kind become the same facts, as a box would meet them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from edgebuild.errors import ConfigError, VerificationError
from edgebuild.inputs import read_artifact
from edgebuild.inputs.listing import list_tree
from edgebuild.model.tree import TreeFacts
from edgebuild.unpack import unpack_tar
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf
from tests.fuzz import seeds
from tests.fuzz.hostile import link, member

LIBRARY = write_elf(Elf(soname="libx.so.1"))
SYSTEM_DIRS = b"/lib/aarch64-linux-gnu/\0/usr/lib/aarch64-linux-gnu/\0/lib/\0/usr/lib/\0"
LOADER = write_elf(Elf(soname="ld-linux-aarch64.so.1")) + SYSTEM_DIRS
FILES = {"lib/libx.so.1.2": LIBRARY, "bin/run.sh": b"#!/bin/sh\n"}
LINKS = {"lib/libx.so.1": "libx.so.1.2"}


def write_tree(root: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    for name, target in (links or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    return root


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read(path: Path | str, ws: Workspace) -> TreeFacts:
    return read_artifact(path, ws=ws, isa=False)


def names(tree: TreeFacts) -> list[str]:
    return [elf.name for elf in tree.elves]


# ---- Forms ----


@pytest.mark.parametrize("packing", list(seeds.PACKERS))
def test_a_tarball_of_any_packing_is_read_as_the_folder_would_be(packing: str, tmp_path: Path, ws: Workspace) -> None:
    folder = read(write_tree(tmp_path / "t", FILES, LINKS), ws)
    tarball = read(write(tmp_path / "x.tar", seeds.PACKERS[packing](seeds.tar(FILES, LINKS))), ws)
    assert tarball.kind == "tar"
    assert [msgspec.structs.replace(each, executable=False) for each in tarball.elves] == list(folder.elves)
    assert tarball.links == folder.links == {"lib/libx.so.1": "lib/libx.so.1.2"}
    assert folder.elves[0].also == ("lib/libx.so.1",)
    assert [(other.name, other.kind) for other in tarball.others] == [("bin/run.sh", "script")]


@pytest.mark.parametrize("packing", ["xz", "zst", "gz"])
def test_a_debian_package_is_a_root_with_merged_usr(packing: str, tmp_path: Path, ws: Workspace) -> None:
    data = seeds.tar({"./lib/aarch64-linux-gnu/libx.so.1": LIBRARY}, {"./usr/lib/gone.so": "elsewhere.so"})
    tree = read(write(tmp_path / "x.deb", seeds.deb(seeds.PACKERS[packing](data), packing)), ws)
    assert (tree.kind, tree.system) == ("deb", True)
    assert names(tree) == ["usr/lib/aarch64-linux-gnu/libx.so.1"]
    assert tree.loader_path == ("usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib")
    assert tree.others == (), "a package's link may lead into another package"


def test_a_wheel_brings_its_tags(tmp_path: Path, ws: Workspace) -> None:
    tree = read(write(tmp_path / "m-1-cp39-cp39-linux_aarch64.whl", seeds.wheel()), ws)
    assert tree.wheel is not None
    assert tree.wheel.tags == ("cp39-cp39-linux_aarch64",)
    assert "lib/liby.so.1" in names(tree), "what belongs beside site-packages is where an installer puts it"


def test_one_file_is_audited_without_what_lies_beside_it(tmp_path: Path, ws: Workspace) -> None:
    root = write_tree(tmp_path, {"a.so": LIBRARY, "b.so": LIBRARY})
    assert names(read(root / "a.so", ws)) == ["a.so"]


def test_half_an_elf_file_is_damaged_and_the_others_are_read_all_the_same(tmp_path: Path, ws: Workspace) -> None:
    tree = read(write_tree(tmp_path / "t", {"a.so": LIBRARY, "b.so": LIBRARY[:-100]}), ws)
    assert names(tree) == ["a.so"]
    (other,) = tree.others
    assert (other.name, other.kind) == ("b.so", "damaged")
    assert "truncated ELF file" in other.value


@pytest.mark.parametrize("what", ["notes.txt", "absent", "docker"])
def test_what_is_no_artifact_is_a_usage_error(what: str, tmp_path: Path, ws: Workspace) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(ConfigError, match=r"notes\.txt: neither a folder, an ELF|: no such file or folder"):
        read(tmp_path / what, ws)


def test_names_reach_neither_a_terminal_nor_json_as_they_are(tmp_path: Path, ws: Workspace) -> None:
    raw = os.fsdecode(b"\xff\x1b[31m.so")
    tree = read(write_tree(tmp_path / "t", {raw: LIBRARY}), ws)
    assert names(tree) == ["\ufffd\ufffd[31m.so"]
    msgspec.json.encode(tree)


def test_pipes_and_devices_are_not_opened(tmp_path: Path, ws: Workspace) -> None:
    root = write_tree(tmp_path / "t", {"a.so": LIBRARY})
    os.mkfifo(root / "pipe.so")
    assert names(read(root, ws)) == ["a.so"]


# ---- Links ----


@pytest.mark.parametrize(
    ("target", "in_a_tree", "in_a_root"),
    [
        ("real", "d/real", "d/real"),
        ("../d/./real", "d/real", "d/real"),
        ("../../../d/real", None, "d/real"),
        ("/d/real", None, "d/real"),
        ("/d/other", None, None),
        ("self", None, None),
        ("up/up/up/real", "d/real", "d/real"),
        (".", "d", "d"),
    ],
)
def test_a_link_leads_where_the_box_would_follow_it(
    target: str, in_a_tree: str | None, in_a_root: str | None, tmp_path: Path
) -> None:
    root = write_tree(tmp_path, {"d/real": b"x"}, {"d/self": target, "d/up": "../d"})
    listing = list_tree(root)
    assert listing.resolve("d/self", system=False) == in_a_tree
    assert listing.resolve("d/self", system=True) == in_a_root


def test_links_without_an_end_lead_nowhere(tmp_path: Path, ws: Workspace) -> None:
    circle = {f"lib/l{number}.so": f"l{(number + 1) % 50}.so" for number in range(50)}
    tree = read(write_tree(tmp_path / "t", {"a.so": LIBRARY}, circle), ws)
    assert len(tree.others) == 50
    assert {other.kind for other in tree.others} == {"link"}


# ---- Roots ----


def root_files(**more: bytes) -> dict[str, bytes]:
    return {"usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1": LOADER, "opt/x/libx.so.1": LIBRARY, **more}


MERGED = {"lib": "usr/lib", "usr/lib/ld-linux-aarch64.so.1": "aarch64-linux-gnu/ld-linux-aarch64.so.1"}
DEFAULTS = ("usr/lib/aarch64-linux-gnu", "usr/lib")


def test_a_folder_with_a_loader_is_a_root_whose_folders_the_loader_names(tmp_path: Path, ws: Workspace) -> None:
    tree = read(write_tree(tmp_path / "t", root_files(), MERGED), ws)
    assert tree.system
    assert tree.loader_path == DEFAULTS


def test_ld_so_conf_counts_with_all_it_includes(tmp_path: Path, ws: Workspace) -> None:
    conf = {
        "etc/ld.so.conf": b"# comment\ninclude ld.so.conf.d/*.conf\ninclude /etc/ld.so.conf\n/lib\n",
        "etc/ld.so.conf.d/a.conf": b"/opt/x, /opt/absent\n",
        "etc/ld.so.conf.d/b.off": b"/etc\n",
    }
    tree = read(write_tree(tmp_path / "t", root_files(**conf), MERGED), ws)
    assert tree.loader_path == ("opt/x", "usr/lib", "usr/lib/aarch64-linux-gnu")


@pytest.mark.parametrize(("cached", "expected"), [(b"/opt/x/libx.so.1\0", ("opt/x", *DEFAULTS)), (b"", DEFAULTS)])
def test_a_folder_that_ldconfig_has_not_seen_is_not_searched(
    cached: bytes, expected: tuple[str, ...], tmp_path: Path, ws: Workspace
) -> None:
    more = {"etc/ld.so.conf": b"/opt/x\n", "etc/ld.so.cache": b"glibc-ld.so.cache1.1" + cached}
    assert read(write_tree(tmp_path / "t", root_files(**more), MERGED), ws).loader_path == expected


def test_musl_has_folders_of_its_own(tmp_path: Path, ws: Workspace) -> None:
    files = {"lib/ld-musl-aarch64.so.1": LOADER, "usr/local/lib/libx.so": LIBRARY, "usr/lib/y": b"", "opt/z/y": b""}
    assert read(write_tree(tmp_path / "a", files), ws).loader_path == ("lib", "usr/local/lib", "usr/lib")
    files["etc/ld-musl-aarch64.path"] = b"/opt/z\n/lib:/absent\n"
    assert read(write_tree(tmp_path / "b", files), ws).loader_path == ("opt/z", "lib")


# ---- Images ----


def read_image(layers: tuple[bytes, ...], tmp_path: Path, ws: Workspace, form: str = "both") -> TreeFacts:
    return read(write(tmp_path / "image.tar", seeds.image(layers, form)), ws)


@pytest.mark.parametrize(("form", "packing"), [("oci", "zstd"), ("docker", "gzip"), ("both", "none")])
def test_an_image_tells_its_form_its_layers_and_its_command(
    form: str, packing: str, tmp_path: Path, ws: Workspace
) -> None:
    pack = seeds.PACKERS[{"zstd": "zst", "gzip": "gz", "none": ""}[packing]]
    tree = read_image(tuple(map(pack, seeds.layer_trees())), tmp_path, ws, form)
    assert tree.image is not None
    assert (tree.kind, tree.system, tree.image.form) == ("image", True, form)
    assert (tree.image.architecture, tree.image.os) == ("arm64", "linux")
    assert {layer.packing for layer in tree.image.layers} == {packing}
    assert tree.image.command == ("/app/bin/program", "run")
    assert (tree.image.path, tree.image.ld_library_path) == (("/bin",), ("/app/lib",))
    assert "app/lib/libx.so.1" in names(tree)
    assert tree.loader_path == ("usr/lib",), "of what /etc/ld.so.conf names, ld.so.cache has only /usr/local/lib"


def test_a_layout_that_lies_as_a_folder_is_an_image_as_well(tmp_path: Path, ws: Workspace) -> None:
    archive = write(tmp_path / "image.tar", seeds.image(seeds.layer_trees(), "oci"))
    unpack_tar(archive, tmp_path / "layout")
    tree = read(tmp_path / "layout", ws)
    assert tree.kind == "image"
    assert names(tree) == names(read(archive, ws))


def layered(*layers: bytes, tmp_path: Path, ws: Workspace) -> list[str]:
    tree = read_image(layers, tmp_path, ws)
    return sorted((*names(tree), *tree.links))


def test_a_whiteout_hides_what_lower_layers_have(tmp_path: Path, ws: Workspace) -> None:
    lower = member("a/x.so", LIBRARY) + member("a/y.so", LIBRARY) + member("b/c/z.so", LIBRARY)
    upper = member("a/.wh.x.so") + member(".wh.b")
    assert layered(lower, upper, tmp_path=tmp_path, ws=ws) == ["a/y.so"]


def test_an_opaque_folder_has_only_what_its_own_layer_has_in_whatever_order(tmp_path: Path, ws: Workspace) -> None:
    lower = member("a/x.so", LIBRARY) + member("a/d/y.so", LIBRARY)
    upper = member("a/d/new.so", LIBRARY) + member("a/.wh..wh..opq") + member("a/last.so", LIBRARY)
    assert layered(lower, upper, tmp_path=tmp_path, ws=ws) == ["a/d/new.so", "a/last.so"]


def test_a_whiteout_hides_nothing_of_its_own_layer(tmp_path: Path, ws: Workspace) -> None:
    upper = member("a/x.so", LIBRARY) + member("a/.wh.x.so") + member(".wh.a")
    assert layered(member("a/old.so", LIBRARY), upper, tmp_path=tmp_path, ws=ws) == ["a/x.so"]


def test_a_later_layer_replaces_a_folder_by_a_link_and_a_file_by_a_folder(tmp_path: Path, ws: Workspace) -> None:
    lower = member("a/x.so", LIBRARY) + member("f", b"file") + member("b/y.so", LIBRARY)
    upper = link("a", "/b") + member("f", kind=b"5") + member("f/z.so", LIBRARY)
    assert layered(lower, upper, tmp_path=tmp_path, ws=ws) == ["a", "b/y.so", "f/z.so"]


def test_a_member_below_a_link_lands_where_the_link_leads_inside_the_image(tmp_path: Path, ws: Workspace) -> None:
    lower = member("usr/lib/x", b"") + link("lib", "/../../usr/lib") + member("lib/x.so", LIBRARY)
    assert layered(lower, tmp_path=tmp_path, ws=ws) == ["lib", "usr/lib/x.so"]


def test_hard_links_of_a_layer_are_files(tmp_path: Path, ws: Workspace) -> None:
    lower = (
        member("a.so", LIBRARY) + member("b.so", kind=b"1", target="a.so") + member("a.so", kind=b"1", target="a.so")
    )
    assert layered(lower, tmp_path=tmp_path, ws=ws) == ["a.so", "b.so"]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"index.json": b"{}"}, "leads to no image"),
        ({"index.json": b'{"manifests": [{"digest": "sha256:../../etc/passwd"}]}'}, "is no digest"),
        ({"index.json": b"["}, "index.json"),
        ({"index.json": b'{"manifests": [{"digest": "sha256:%s"}]}' % (b"0" * 64)}, "is not in it"),
    ],
    ids=["empty", "path", "cut", "absent"],
)
def test_a_damaged_layout_is_refused(edit: dict[str, bytes], reason: str, tmp_path: Path, ws: Workspace) -> None:
    archive = write(tmp_path / "image.tar", seeds.image(seeds.layer_trees(), "oci", edit=edit))
    with pytest.raises(VerificationError, match=reason):
        read(archive, ws)


def test_a_layer_whose_contents_are_not_its_digest_is_refused(tmp_path: Path, ws: Workspace) -> None:
    content = seeds.image((seeds.layer_trees()[0],), "oci")
    with pytest.raises(VerificationError, match="other contents than its name says"):
        read(write(tmp_path / "image.tar", content.replace(b"root:x", b"evil:x").replace(b"/opt/x\n", b"/opt/y\n")), ws)


def test_nothing_of_an_archive_is_left(tmp_path: Path, ws: Workspace) -> None:
    read_image(seeds.layer_trees(), tmp_path, ws)
    with pytest.raises(VerificationError):
        read(write(tmp_path / "x.tar", member("../escaped")), ws)
    assert list((ws.cache / "work").iterdir()) == []
