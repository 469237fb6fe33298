"""An imported SDK in use: as a prefix of builds, as something that boxes have, and never as part of a product."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
import pytest

from edgebuild.audit.engine import audit
from edgebuild.audit.sdk import Shipping, with_sdks_of_box
from edgebuild.build.project import provide_project
from edgebuild.build.sdk import lacking, needs_of_bundled, sdk_tree
from edgebuild.commands import sdk_box, sdk_import
from edgebuild.commands.gate import gate
from edgebuild.config.sdk import load_sdk, sdks_for, withheld_sdks
from edgebuild.config.targets import load_target
from edgebuild.deploy.collect import BoxRoot
from edgebuild.digest import sha256_file
from edgebuild.elf import read_elves
from edgebuild.errors import AuditError, ConfigError
from edgebuild.model.contract import Contract, CpuSpec, Provided
from edgebuild.model.finding import Finding
from edgebuild.model.project import Project
from edgebuild.model.sdk import Sdk, SdkLayout, SdkUse, VersionRule
from edgebuild.model.tree import TreeFacts
from edgebuild.run import Command, Completed
from edgebuild.workspace import Workspace
from tests.corpus.images import write_image
from tests.elf_writer import Elf, write_elf
from tests.toolchains import TOOLCHAIN
from tests.unit.test_root_source import LocalTransport
from tests.unit.test_sdk_import import SDK, call, folder, imported, never, refused, tar

LOADER = "ld-linux-aarch64.so.1"
CONTRACT = Contract(
    title="Acme",
    arch="aarch64",
    cpu=CpuSpec(model="a53", emulated_as="cortex-a53"),
    libraries={"libc.so.6": {}, LOADER: {}},
    loaders=(f"/lib/{LOADER}",),
)
BOX = Provided(CONTRACT, {"libc.so.6": frozenset({"puts@GLIBC_2.17"})})


@pytest.fixture
def acme(tmp_path: Path, ws: Workspace) -> Sdk:
    imported(ws, tar(tmp_path / "acme-sdk-1.4.2.tar.gz", SDK))
    return load_sdk("acme", ws)


def on_box(sdk: Sdk) -> Sdk:
    return msgspec.structs.replace(sdk, on_box=True)


def free(sdk: Sdk) -> Sdk:
    return msgspec.structs.replace(sdk, recipe=msgspec.structs.replace(sdk.recipe, redistributable=True))


def tree_of(place: Path, **files: bytes) -> TreeFacts:
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return TreeFacts(path="tree", kind="folder", elves=read_elves(place))


def codes(findings: tuple[Finding, ...]) -> set[str]:
    return {each.code for each in findings if each.severity == "error"}


# ---- A prefix ----


def test_cmake_and_pkg_config_know_every_library(acme: Sdk, ws: Workspace) -> None:
    prefix = sdk_tree(acme, ws).prefix
    config = (prefix / "lib/cmake/acme/acmeConfig.cmake").read_text()
    assert "add_library(acme::acme SHARED IMPORTED)" in config and 'IMPORTED_SONAME "libacme.so.1"' in config
    assert 'set(PACKAGE_VERSION "1.4.2")' in (prefix / "lib/cmake/acme/acmeConfigVersion.cmake").read_text()
    assert "-L${prefix}/lib -lacme\n" in (prefix / "lib/pkgconfig/acme-acme.pc").read_text()
    assert {path.name for path in (prefix / "lib").glob("*.so*")} == {"libacme.so", "libacme.so.1"}
    assert (prefix / "include/acme.h").is_file()
    assert str(ws.cache) not in config, "a prefix may be moved"


def test_a_library_without_a_soname_is_linked_by_its_name(tmp_path: Path, ws: Workspace) -> None:
    """Otherwise the linker writes the path that it was given into the program."""
    imported(ws, folder(tmp_path / "acme-1.0", {**SDK, "acme/lib/libplain.so": write_elf(Elf())}))
    config = (sdk_tree(load_sdk("acme", ws), ws).prefix / "lib/cmake/acme/acmeConfig.cmake").read_text()
    assert "IMPORTED_NO_SONAME TRUE" in config.split("acme::plain SHARED")[1].split("endif")[0]


def test_several_folders_of_headers_become_one(tmp_path: Path, ws: Workspace) -> None:
    more: dict[str, bytes | str] = {
        "more/include/other/b.h": b"",
        "acme/include/aarch64-linux-gnu/arch.h": b"",
        "acme/include/sub/include/deep.h": b"",
    }
    document = imported(ws, folder(tmp_path / "acme-1.0", {**SDK, **more}))
    assert document["includes"] == ["acme/include", "acme/include/aarch64-linux-gnu", "more/include"]
    include = Path(document["prefix"]) / "include"
    assert all((include / name).is_file() for name in ("acme.h", "other/b.h", "arch.h", "sub/include/deep.h"))


def test_of_two_libraries_for_one_name_one_is_taken_and_it_is_told(tmp_path: Path, ws: Workspace) -> None:
    other = write_elf(Elf(soname="libacme.so.1", exports=("acme_old",)))
    document = imported(ws, folder(tmp_path / "acme-1.0", {**SDK, "acme/old/libacme.so.1": other}))
    assert document["doubles"] == ["acme/lib/libacme.so.1.4 (libacme.so.1 is acme/old/libacme.so.1)"]


def test_an_sdk_of_a_known_layout_is_found_by_build_systems(
    tmp_path: Path, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recognised by its files, wherever they lie in the archive; given what a build system looks for beside them."""
    layout = SdkLayout(
        title="Acme kit",
        has=("include/acme_api.h",),
        versions=(VersionRule(path="include/acme_api.h", pattern=r"#define ACME (\d+)0(\d+)"),),
        cmake_variables={"AcmeKit_ROOT": "${PREFIX}"},
        files={"version.json": '{"acme": "${MAJOR}.${MINOR}.${PATCH}"}', "include/acme_api.h": "is there already"},
    )
    monkeypatch.setattr(sdk_import, "load_layouts", lambda: (layout,))
    source = folder(tmp_path / "acme-1.0", {**SDK, "acme/include/acme_api.h": b"#define ACME 1206\n"})
    document = imported(ws, source)
    prefix = Path(document["prefix"])
    assert document["layout"] == "Acme kit" and (prefix / "version.json").read_text() == '{"acme": "12.6.0"}\n'
    assert (prefix / "include/acme_api.h").read_text() == "#define ACME 1206\n"
    sdk = load_sdk("acme", ws)
    assert sdk_tree(sdk, ws).cmake_variables == {"AcmeKit_ROOT": str(prefix)}
    other = imported(ws, folder(tmp_path / "other-1.0", SDK), name="other")
    assert other["layout"] == "" and not other["cmake_variables"]


class FakeTools:
    """CMake, whose install puts a program below DESTDIR that needs the SDK's library."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def __call__(self, command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
        self.commands.append(command)
        if command.argv[1] == "--install":
            place = Path(command.env["DESTDIR"] or "/nowhere") / "app/bin/guard"
            place.parent.mkdir(parents=True)
            place.write_bytes(write_elf(Elf(needed=("libacme.so.1",), runpath="$ORIGIN/../lib")))
            place.chmod(0o755)
        return Completed(0)


def build(ws: Workspace, sdk: Sdk) -> tuple[Path, str, list[str]]:
    """Stage, toolchain file and words of the configuration."""
    ws.project.mkdir(exist_ok=True)
    (ws.project / "CMakeLists.txt").write_text("project(guard)")
    tools = FakeTools()
    project = Project(name="guard", version="1.0", targets=("generic-arm64",))
    target = load_target("generic-arm64", ws)
    stage = provide_project(project, ws.project, target, TOOLCHAIN, (sdk,), ws=ws, run=tools)
    toolchain_file = ws.build_tree("guard-zig-aarch64-acme") / "toolchain.cmake"
    return stage, toolchain_file.read_text(), [str(word) for word in tools.commands[0].argv]


def test_a_project_is_configured_with_the_sdk_as_its_prefix(acme: Sdk, ws: Workspace) -> None:
    recipe = msgspec.structs.replace(acme.recipe, cmake_variables={"ACME_ROOT": "${PREFIX}"})
    sdk = on_box(msgspec.structs.replace(acme, recipe=recipe))
    stage, toolchain_file, words = build(ws, sdk)
    product = sdk_tree(sdk, ws).folder
    prefixes = ";".join(map(str, sdk_tree(sdk, ws).prefixes))
    assert prefixes.startswith(f"{product}/prefix;") and f'set(CMAKE_PREFIX_PATH "{prefixes}")' in toolchain_file
    assert f"-Wl,-rpath-link,{product}/prefix/lib" in toolchain_file
    assert f"-DACME_ROOT={product}/prefix" in words
    assert not list(stage.rglob("*.so*")), "the box has it"


def test_what_may_ship_is_bundled_with_its_licence_and_unstripped(acme: Sdk, ws: Workspace) -> None:
    sdk = free(acme)
    stage, _, _ = build(ws, sdk)
    assert sha256_file(stage / "lib/libacme.so.1") == sdk.lock.libraries[0].sha256
    assert "Do not pass on" in (stage / "share/licenses/acme/acme/doc/LICENSE.txt").read_text()
    assert needs_of_bundled(stage, (sdk,)) == {"lib/libacme.so.1": {}}


# ---- What boxes have ----


def test_a_row_says_that_its_boxes_have_an_sdk_and_a_project_may_say_so(acme: Sdk, ws: Workspace) -> None:
    (of_row,) = sdks_for(("acme",), (), "generic-arm64", "aarch64", ws)
    (of_project,) = sdks_for((), ("acme",), "generic-arm64", "aarch64", ws)
    (claimed,) = sdks_for((), (SdkUse(name="acme", on_box=True),), "generic-arm64", "aarch64", ws)
    (both,) = sdks_for(("acme",), ("acme",), "generic-arm64", "aarch64", ws)
    assert [each.on_box for each in (of_row, of_project, claimed, both)] == [True, False, True, True]
    assert sdks_for((), ("acme",), "generic-x86_64", "x86_64", ws) == (), "of another architecture: for other rows"
    assert sdks_for((), (SdkUse(name="acme", targets=("desk",)),), "generic-arm64", "aarch64", ws) == ()
    with pytest.raises(ConfigError, match="is for aarch64, the row for x86_64"):
        sdks_for(("acme",), (), "generic-x86_64", "x86_64", ws)
    with pytest.raises(ConfigError, match="no SDK named 'acne'") as unknown:
        sdks_for((), ("acne",), "generic-arm64", "aarch64", ws)
    assert "did you mean 'acme'" in unknown.value.hint


@pytest.mark.parametrize(
    ("symbol", "box_has_it", "found"),
    [("acme_run", True, set()), ("acme_new", True, {"A110"}), ("acme_run", False, {"A103"})],
    ids=["there", "not exported", "no SDK on the box"],
)
def test_the_audit_resolves_against_what_the_sdk_exports(
    symbol: str, box_has_it: bool, found: set[str], acme: Sdk, tmp_path: Path
) -> None:
    program = Elf(needed=("libacme.so.1", "libc.so.6"), interpreter=f"/lib/{LOADER}")
    tree = tree_of(tmp_path / "tree", app=write_elf(program))
    elf = msgspec.structs.replace(tree.elves[0], undefined=(symbol,))
    tree = msgspec.structs.replace(tree, elves=(elf,))
    provided = with_sdks_of_box(BOX, [on_box(acme) if box_has_it else acme])
    assert codes(audit(tree, provided)) == found


def test_what_a_contract_states_itself_counts_more(acme: Sdk) -> None:
    contract = msgspec.structs.replace(CONTRACT, libraries={"libacme.so.1": {"ACME": "9.0"}})
    provided = with_sdks_of_box(Provided(contract, {"libacme.so.1": frozenset({"acme_old"})}), [on_box(acme)])
    assert provided.contract.libraries["libacme.so.1"] == {"ACME": "9.0"}
    assert provided.symbols["libacme.so.1"] == frozenset({"acme_old"})


def test_a_build_says_which_sdk_would_settle_a_missing_library(acme: Sdk, tmp_path: Path, ws: Workspace) -> None:
    program = write_elf(Elf(needed=("libacme.so.1", "libgone.so"), runpath="$ORIGIN/../lib"))
    folder(tmp_path / "tree", {"bin/app": program})
    with pytest.raises(AuditError) as refusal:
        gate(
            tmp_path / "tree",
            "app",
            load_target("generic-arm64", ws),
            floor="",
            static_runtime=True,
            needs={},
            waivers=(),
            shipping=Shipping(linked=(acme,)),
            ws=ws,
            run=never,
        )
    text = refusal.value.message
    assert "libgone.so" in text and text.count("sdk: [{name: acme, on_box: true}]") == 1 and "--redistributable" in text


# ---- What must not ship ----


def carried(sdk: Sdk, tree: TreeFacts, place: Path) -> set[str]:
    digests = {path.relative_to(place).as_posix(): sha256_file(path) for path in place.rglob("*") if path.is_file()}
    findings = audit(tree, BOX, shipping=Shipping(withheld=(sdk,), digests=digests))
    return {each.file for each in findings if each.code == "A138"}


def test_a_file_of_an_sdk_is_found_under_any_name(acme: Sdk, ws: Workspace, tmp_path: Path) -> None:
    library = (sdk_tree(acme, ws).root / "acme/lib/libacme.so.1.4").read_bytes()
    tree = tree_of(tmp_path / "tree", **{"lib/mine.so": library, "lib/other.so": write_elf(Elf(soname="libother.so"))})
    assert carried(acme, tree, tmp_path / "tree") == {"lib/mine.so"}
    assert withheld_sdks(ws) == (acme,)


def test_a_stripped_library_is_still_the_sdks(tmp_path: Path, ws: Workspace) -> None:
    """By its build id; without one by its name and symbols. Another library of that name is somebody's own."""
    named = Elf(soname="libacme.so.1", exports=("acme_open", "acme_run"), debug=True)
    known = Elf(soname="libeye.so", build_id=b"\x0a" * 20, debug=True)
    files: dict[str, bytes | str] = {"a/lib/libacme.so.1": write_elf(named), "a/lib/libeye.so": write_elf(known)}
    imported(ws, folder(tmp_path / "acme-1.0", files))
    own = Elf(soname="libacme.so.1", exports=("acme_open",))
    tree = tree_of(
        tmp_path / "tree",
        **{
            "lib/libacme.so.1": write_elf(Elf(soname="libacme.so.1", exports=("acme_open", "acme_run"))),
            "lib/renamed.so": write_elf(Elf(soname="libmine.so", build_id=b"\x0a" * 20)),
            "own/libacme.so.1": write_elf(own),
        },
    )
    sdk = load_sdk("acme", ws)
    assert carried(sdk, tree, tmp_path / "tree") == {"lib/libacme.so.1", "lib/renamed.so"}


def test_firmware_counts_and_texts_do_not(tmp_path: Path, ws: Workspace) -> None:
    imported(ws, folder(tmp_path / "acme-1.0", {**SDK, "acme/fw/core.bin": b"\0firmware", "acme/fw/readme": b"text"}))
    place = tmp_path / "tree"
    files = {"share/x.bin": b"\0firmware", "share/y": b"text", "LICENSE": b"Acme Evaluation Licence\n"}
    tree = tree_of(place, app=write_elf(Elf()), **files)
    assert carried(load_sdk("acme", ws), tree, place) == {"share/x.bin"}


# ---- Our backends ----


def test_the_report_says_what_our_backends_miss(acme: Sdk) -> None:
    backends = {"a": {"libacme.so*": ("acme_open", "acme_close", "acme_fast?")}, "b": {"libother.so": ("f",)}}
    (report,) = lacking(acme, backends)
    assert (report.backend, report.library) == ("a", "libacme.so.1")
    assert (report.missing, report.optional) == (("acme_close",), ("acme_fast",))


# ---- Boxes and images ----


def test_an_sdk_of_a_box_is_the_same_as_in_its_folder(
    tmp_path: Path, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = folder(tmp_path / "box", {f"opt/{name}": content for name, content in SDK.items()} | {"etc/secret": b"no"})
    monkeypatch.setattr(sdk_box, "open_box", lambda _: contextlib.nullcontext(BoxRoot(LocalTransport(), root=str(box))))
    assert "--path" in refused(ws, Path("root@10.0.0.7")).hint
    document = imported(ws, Path("root@10.0.0.7"), "--path", "/opt/acme", "--version", "1.0")
    assert document["source"] == "root@10.0.0.7" and document["files"] == 4
    same = imported(ws, box, "--path", "/opt/acme", "--version", "1.0", name="other")
    assert same["tree"] == document["tree"]


def test_an_sdk_of_a_saved_image_needs_its_folder(tmp_path: Path, ws: Workspace) -> None:
    loader: dict[str, bytes | str] = {"lib/ld-linux-aarch64.so.1": write_elf(Elf(soname="ld-linux-aarch64.so.1"))}
    root = folder(tmp_path / "root", {f"opt/{name}": content for name, content in SDK.items()} | loader)
    image = write_image(tmp_path / "acme-2.0.tar", root, form="docker", architecture="arm64")
    error = call(ws, "import", image, "--as", "acme").exception
    assert isinstance(error, ConfigError) and "whole root file system" in error.message and "--path" in error.hint
    assert [each["soname"] for each in imported(ws, image, "--path", "/opt/acme")["libraries"]] == ["libacme.so.1"]


def test_what_would_not_load_on_the_boxes_of_a_row_is_told(tmp_path: Path, ws: Workspace) -> None:
    new = Elf(soname="libacme.so.1", needed=("libc.so.6",), needs={"libc.so.6": {"GLIBC_2.99": ("puts",)}})
    source = folder(tmp_path / "acme-1.0", {**SDK, "acme/lib/libacme.so.1.4": write_elf(new)})
    (reason,) = imported(ws, source, "--target", "generic-arm64")["unfit"]["generic-arm64"]
    assert reason.startswith("libacme.so.1: needs GLIBC_2.99")
