"""sdk import: what a vendor hands out becomes an SDK whatever it is packed in, and nothing stays of what is refused."""

from __future__ import annotations

import gzip
import io
import json
import stat
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgebuild.build import sdk as sdk_build
from edgebuild.commands import sdk as sdk_commands
from edgebuild.commands.context import Context
from edgebuild.config.sdk import load_sdk, sdk_names
from edgebuild.digest import digest_tree
from edgebuild.errors import ConfigError, EdgebuildError, NotAvailable, VerificationError
from edgebuild.run import Command, Completed
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf
from tests.roots import archive as ar

ARM_LIBRARY = write_elf(Elf(soname="libacme.so.1", exports=("acme_open", "acme_run")))
X86_LIBRARY = write_elf(Elf(machine="EM_X86_64", soname="libhost.so"))
# What vendors' archives look like. A str is a link's target.
SDK: dict[str, bytes | str] = {
    "acme/include/acme.h": b"int acme_open(void);\n",
    "acme/lib/libacme.so.1.4": ARM_LIBRARY,
    "acme/lib/libacme.so": "libacme.so.1.4",
    "acme/doc/LICENSE.txt": b"Acme Evaluation Licence\nDo not pass on.\n",
    "acme/doc/manual.txt": b"Read me.\n",
}
YES = ("--accept-licence", "Acme Evaluation Licence")


def never(command: Command, *, log_file: Path | None = None, check: bool = True) -> Completed:
    raise AssertionError(f"nothing of an SDK is started: {command}")


def call(ws: Workspace, *words: str | Path) -> Result:
    return CliRunner().invoke(sdk_commands.command, [str(word) for word in words], obj=Context(ws, never))


def imported(ws: Workspace, source: Path, *options: str | Path, name: str = "acme") -> dict[str, Any]:
    ended = call(ws, "import", source, "--as", name, "--json", *YES, *options)
    assert ended.exit_code == 0, ended.exception
    return dict(json.loads(ended.stdout))


def refused(ws: Workspace, source: Path, *options: str | Path) -> EdgebuildError:
    """The error; and that neither the project nor the cache has anything of it."""
    before = digest_tree(ws.cache) if ws.cache.exists() else ""
    error = call(ws, "import", source, "--as", "acme", *options).exception
    assert isinstance(error, EdgebuildError), error
    assert not ws.project.exists() or not list(ws.project.rglob("sdks/*"))
    leftovers = [path for path in ws.cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert not leftovers and (not before or digest_tree(ws.cache) == before)
    return error


def folder(place: Path, files: dict[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(content) if isinstance(content, str) else path.write_bytes(content)
    return place


def tar_bytes(files: dict[str, bytes | str]) -> bytes:
    """Names and targets as they are, which tarfile's own methods would tidy."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                packed.addfile(member)
            else:
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def tar(place: Path, files: dict[str, bytes | str]) -> Path:
    place.write_bytes(gzip.compress(tar_bytes(files), mtime=0))
    return place


def zipped(place: Path, files: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(place, "w") as packed:
        for name, content in files.items():
            member = zipfile.ZipInfo(name)
            if isinstance(content, str):
                member.external_attr = (stat.S_IFLNK | 0o777) << 16
            packed.writestr(member, content)
    return place


def deb(place: Path, files: dict[str, bytes | str]) -> Path:
    parts = {"debian-binary": b"2.0\n", "control.tar": tar_bytes({"control": b"Package: acme\n"})}
    parts["data.tar"] = tar_bytes({f"./opt/{name}": content for name, content in files.items()})
    packed = b"!<arch>\n"
    for name, content in parts.items():
        packed += f"{name:<16}{'0':<12}{'0':<6}{'0':<6}{'644':<8}{len(content):<10}`\n".encode() + content
        packed += b"\n" * (len(content) % 2)
    place.write_bytes(packed)
    return place


def script(place: Path, files: dict[str, bytes | str]) -> Path:
    """As makeself writes them: a shell script that would unpack what lies behind it."""
    place.write_bytes(b"#!/bin/sh\nskip=4\necho started > /dev/full\nexit 1\n" + gzip.compress(tar_bytes(files)))
    return place


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    return tar(tmp_path / "acme-sdk-1.4.2.tar.gz", SDK)


# ---- What it takes ----


def test_an_archive_becomes_an_sdk(sdk: Path, ws: Workspace) -> None:
    document = imported(ws, sdk, "--arch", "aarch64")
    assert (document["version"], document["arch"], document["redistributable"]) == ("1.4.2", "aarch64", False)
    (library,) = document["libraries"]
    assert (library["soname"], library["target"], library["exported"]) == ("libacme.so.1", "acme::acme", 2)
    assert document["includes"] == ["acme/include"]
    record = load_sdk("acme", ws)
    assert record.recipe.licence.name == "Acme Evaluation Licence" and record.recipe.licence.accepted_by
    assert record.recipe.licence.files == ("acme/doc/LICENSE.txt",)
    assert record.symbols == {"libacme.so.1": frozenset({"acme_open", "acme_run"})}
    assert digest_tree(Path(document["path"])) == record.lock.tree


@pytest.mark.parametrize("pack", ["tar.gz", "zip", "run", "folder", "deb", "debs"])
def test_whatever_it_is_packed_in_the_same_library_is_found(pack: str, tmp_path: Path, ws: Workspace) -> None:
    place = tmp_path / f"acme_1.4.2.{pack}"
    match pack:
        case "tar.gz":
            tar(place, SDK)
        case "zip":
            zipped(place, SDK)
        case "run":
            script(place, SDK)
        case "folder":
            folder(place, SDK)
        case "deb":
            deb(place, SDK)
        case "debs":
            place.mkdir()
            headers = {name: content for name, content in SDK.items() if "include" in name}
            deb(place / "acme-dev.deb", headers)
            deb(place / "acme.deb", {name: content for name, content in SDK.items() if name not in headers})
    document = imported(ws, place)
    prefix = Path(document["prefix"])
    assert (prefix / "lib/libacme.so").read_bytes() == ARM_LIBRARY == (prefix / "lib/libacme.so.1").read_bytes()
    assert (prefix / "include/acme.h").is_file()


def test_an_archive_in_the_archive_is_taken_when_it_is_named(tmp_path: Path, ws: Workspace) -> None:
    inner = tar(tmp_path / "inner.tar.gz", SDK).read_bytes()
    source = zipped(tmp_path / "acme-2.0.zip", {"tools/sdk.tar.gz": inner, "readme.txt": b"hello"})
    error = refused(ws, source, *YES)
    assert "no library" in error.message and "--inner tools/sdk.tar.gz" in error.hint
    assert imported(ws, source, "--inner", "tools/sdk.tar.gz")["version"] == "2.0"
    other = replace(ws, project=ws.project / "other")
    assert isinstance(call(other, "import", source, "--as", "a", "--inner", "no.tar").exception, ConfigError)


def test_a_script_without_an_archive_is_told_how_to_unpack_by_hand(tmp_path: Path, ws: Workspace) -> None:
    source = tmp_path / "acme-1.0.run"
    source.write_bytes(b"#!/bin/sh\nexit 0\n" + b"\x1f\x8b\x08\0 no archive at all" * 100)
    error = refused(ws, source, *YES)
    assert isinstance(error, NotAvailable) and "not started" in error.message and "--noexec" in error.hint


def test_what_is_no_archive_is_told_in_words(tmp_path: Path, ws: Workspace) -> None:
    (tmp_path / "acme-1.0.exe").write_bytes(b"MZ" + bytes(1000))
    error = refused(ws, tmp_path / "acme-1.0.exe", *YES)
    assert isinstance(error, ConfigError) and "import the folder" in error.hint
    assert isinstance(refused(ws, tmp_path / "nowhere/acme-1.0.tar.gz", *YES), ConfigError)


def test_two_imports_of_the_same_archive_give_the_same_record(sdk: Path, ws: Workspace) -> None:
    first = imported(ws, sdk)
    assert imported(ws, sdk) == first
    assert imported(replace(ws, cache=ws.cache / "other"), sdk)["archive"] == first["archive"]


def test_another_machine_takes_the_packed_sdk_from_a_file(sdk: Path, ws: Workspace) -> None:
    document = imported(ws, sdk)
    packed = next((ws.cache / "downloads").rglob("*.tar.zst"))
    other = replace(ws, cache=ws.cache / "other", offline=True)
    without = call(other, "provide", "acme").exception
    assert isinstance(without, NotAvailable) and "--archive FILE" in without.hint
    done = call(other, "provide", "acme", "--archive", packed)
    assert done.exit_code == 0 and digest_tree(Path(done.stdout.strip()).parent / "root") == document["tree"]
    packed.write_bytes(packed.read_bytes()[:-1] + b"!")
    assert isinstance(call(other, "provide", "acme", "--archive", packed).exception, VerificationError)


# ---- What it refuses ----


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("../evil.h", b"outside"),
        ("acme/../../evil.h", b"outside"),
        ("/etc/evil.h", b"outside"),
        ("acme/lib/evil", "../../../etc/passwd"),
        ("acme/lib/evil", "/etc/passwd"),
    ],
    ids=["up", "up in the midst", "absolute", "link up", "absolute link"],
)
@pytest.mark.parametrize("pack", [tar, zipped, script])
def test_what_leads_out_is_refused(name: str, content: bytes | str, pack: Any, tmp_path: Path, ws: Workspace) -> None:
    error = refused(ws, pack(tmp_path / "acme-1.0.bin", {**SDK, name: content}), *YES)
    assert isinstance(error, VerificationError) and "evil" in error.message
    assert not (tmp_path / "evil.h").exists()


def test_a_link_out_of_a_folder_is_refused_until_it_is_left_out(tmp_path: Path, ws: Workspace) -> None:
    source = folder(tmp_path / "acme-1.0", {**SDK, "acme/lib/libz.so": "../../../libz.so.1"})
    error = refused(ws, source, *YES)
    assert "acme/lib/libz.so -> ../../../libz.so.1" in error.message and "--drop" in error.hint
    imported(ws, source, "--drop", "acme/lib/libz.so")


def test_an_installed_sdk_may_name_its_own_place(tmp_path: Path, ws: Workspace) -> None:
    source = tmp_path / "acme-1.0"
    folder(source, {**SDK, "current": f"{source}/acme", "acme/lib/libacme.so": f"{source}/current/lib/libacme.so.1.4"})
    document = imported(ws, source)
    assert (Path(document["path"]) / "current/lib/libacme.so").read_bytes() == ARM_LIBRARY
    assert not document["links_left_out"]


def test_an_absolute_link_to_a_place_in_the_archive_is_no_escape(tmp_path: Path, ws: Workspace) -> None:
    source = tar(tmp_path / "acme-1.0.tar.gz", {**SDK, "acme/lib/libacme.so": "/acme/lib/libacme.so.1.4"})
    assert (Path(imported(ws, source)["path"]) / "acme/lib/libacme.so").read_bytes() == ARM_LIBRARY


def test_a_hidden_library_of_another_machine_is_refused_and_named(tmp_path: Path, ws: Workspace) -> None:
    source = tar(tmp_path / "acme-1.0.tar.gz", {**SDK, "acme/lib/plugins/libhost.so": X86_LIBRARY})
    for option, value in (("--arch", "aarch64"), ("--target", "generic-arm64")):
        error = refused(ws, source, option, value, *YES)
        assert isinstance(error, VerificationError)
        assert "acme/lib/plugins/libhost.so (for x86_64)" in error.message and "aarch64" in error.message
        assert "--drop 'acme/lib/plugins/*'" in error.hint
    several = refused(ws, source, *YES)
    assert "several machines: 1 for aarch64, 1 for x86_64" in several.message
    document = imported(ws, source, "--arch", "aarch64", "--drop", "acme/lib/plugins/*")
    assert [each["soname"] for each in document["libraries"]] == ["libacme.so.1"]


@pytest.mark.parametrize(
    ("file", "content", "found"),
    [
        ("acme/bin/convert", write_elf(Elf(machine="EM_X86_64", interpreter="/lib64/ld-linux-x86-64.so.2")), "x86_64"),
        ("acme/lib/libacme.a", ar(write_elf(Elf(machine="EM_X86_64"))), "x86_64"),
        ("acme/firmware/core.bin", write_elf(Elf(machine="EM_ARM")), "arm"),
    ],
    ids=["program", "static library", "firmware"],
)
def test_all_machine_code_counts(file: str, content: bytes, found: str, tmp_path: Path, ws: Workspace) -> None:
    error = refused(ws, tar(tmp_path / "acme-1.0.tar.gz", {**SDK, file: content}), "--arch", "aarch64", *YES)
    assert f"{file} (for {found})" in error.message


def test_an_sdk_for_another_machine_altogether_is_refused(sdk: Path, ws: Workspace) -> None:
    error = refused(ws, sdk, "--target", "generic-x86_64", *YES)
    assert "acme/lib/libacme.so.1.4 (for aarch64)" in error.message and "x86_64" in error.message


def test_a_damaged_library_is_refused(tmp_path: Path, ws: Workspace) -> None:
    source = tar(tmp_path / "acme-1.0.tar.gz", {**SDK, "acme/lib/libcut.so": ARM_LIBRARY[:-700]})
    error = refused(ws, source, *YES)
    assert "acme/lib/libcut.so" in error.message and "--drop 'acme/lib/libcut.so'" in error.hint


@pytest.mark.parametrize(
    "soname", ["../../../../../libevil.so", "/etc/libevil.so", 'libevil.so")\nmessage(FATAL_ERROR "', "a b"]
)
def test_a_soname_is_no_path_and_no_code(soname: str, tmp_path: Path, ws: Workspace) -> None:
    """It becomes a file name and stands in build files."""
    hostile = {"acme/lib/libevil.so": write_elf(Elf(soname=soname)), 'x";y/include/bad.h': b""}
    document = imported(ws, folder(tmp_path / "acme-1.0", {**SDK, **hostile}))
    assert [each["soname"] for each in document["libraries"]] == ["libacme.so.1"]
    assert document["includes"] == ["acme/include"]
    prefix = Path(document["prefix"])
    assert {path.name for path in (prefix / "lib").iterdir()} == {"libacme.so", "libacme.so.1", "cmake", "pkgconfig"}
    assert not list(ws.cache.rglob("libevil.so")) or all("root" in path.parts for path in ws.cache.rglob("libevil.so"))


def test_the_licence_has_to_be_accepted_by_name(sdk: Path, ws: Workspace, tmp_path: Path) -> None:
    error = refused(ws, sdk)
    assert error.exit_code == 6 and "acme/doc/LICENSE.txt" in error.message and "--accept-licence" in error.hint
    shown = call(ws, "import", sdk, "--as", "acme", "--show-licence")
    assert shown.exit_code == 0 and "Do not pass on." in shown.stdout and not sdk_names(ws)
    other = refused(ws, sdk, "--licence", "Acme EULA 3", *YES)
    assert "called 'Acme EULA 3'" in other.message
    metadata = b"Metadata-Version: 2.1\nName: acme\nVersion: 3.1\nLicense: Acme Proprietary\n\nLong text\n"
    wheel = zipped(tmp_path / "acme-3.1-py3-none-any.whl", {**SDK, "acme-3.1.dist-info/METADATA": metadata})
    assert "'Acme Proprietary'" in refused(ws, wheel).message
    assert imported(ws, wheel, "--accept-licence", "acme  proprietary")["version"] == "3.1"


def test_what_is_interrupted_leaves_nothing(sdk: Path, ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sdk_build, "write_view", interrupted)
    assert call(ws, "import", sdk, "--as", "acme", *YES).exit_code != 0
    assert not sdk_names(ws) and not (ws.project / "sysroots").exists() and not list((ws.cache / "work").iterdir())
    assert not list((ws.cache / "downloads").rglob("*.zst")), "packed for nobody"


def test_a_version_that_nothing_tells_is_asked_for(tmp_path: Path, ws: Workspace) -> None:
    source = tar(tmp_path / "acme.tar.gz", SDK)
    assert "--version" in refused(ws, source, *YES).hint
    assert imported(ws, source, "--version", "7")["version"] == "7"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("acme/version.json", b'{"acme": {"version": "5.6.7"}}'),
        ("acme/VERSION", b"Acme SDK release 5.6.7\n"),
        ("acme/lib/pkgconfig/acme.pc", b"Name: acme\nVersion: 5.6.7\n"),
        ("acme/include/acme_version.h", b"#define ACME_MAJOR 5\n#define ACME_MINOR 6\n#define ACME_PATCH 7\n"),
    ],
)
def test_the_version_is_where_vendors_write_it(file: str, content: bytes, tmp_path: Path, ws: Workspace) -> None:
    assert imported(ws, tar(tmp_path / "acme.tar.gz", {**SDK, file: content}))["version"] == "5.6.7"


def test_globs_that_match_nothing_are_mistakes(sdk: Path, ws: Workspace) -> None:
    for option in ("--only", "--drop"):
        assert isinstance(refused(ws, sdk, option, "nowhere/*", *YES), ConfigError)
    document = imported(ws, sdk, "--only", "acme/lib/libacme.so")
    files = {path.name for path in Path(document["path"]).rglob("*") if not path.is_dir()}
    assert files == {"libacme.so", "libacme.so.1.4", "LICENSE.txt"}, "what a link leads to, and the licence"
