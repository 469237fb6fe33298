"""`edgebuild key`, `release`, `verify`: from a key to a checked release, and words for every refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from edgebuild.commands import key, release, verify
from edgebuild.commands.artifact import save_artifact
from edgebuild.commands.context import Context
from edgebuild.errors import ConfigError, EdgebuildError, NotAvailable, VerificationError
from edgebuild.model.product import Artifact
from edgebuild.run import run
from edgebuild.workspace import Workspace
from tests.releases import GOOD, artifact_of, write_members

YAML = """
name: beat
version: "1.0"
targets: [generic-arm64, generic-x86_64]
run: bin/beat run
"""
ROWS = ("generic-arm64", "generic-x86_64")
COMMANDS = {"key": key.command, "release": release.command, "verify": verify.command}


@dataclass(frozen=True)
class Desk:
    """A project folder with both rows built, and a user with a configuration folder of their own."""

    ws: Workspace

    def __call__(self, verb: str, *args: str | Path) -> str:
        """stdout of a command; raises what it raises."""
        result = CliRunner().invoke(COMMANDS[verb], [str(arg) for arg in args], obj=Context(self.ws, run))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    def change(self, row: str, change: Callable[[Artifact], Artifact]) -> None:
        place = self.ws.out / row
        artifact = msgspec.json.decode((place / "manifest.json").read_bytes(), type=Artifact)
        save_artifact(change(artifact), place)


@pytest.fixture
def desk(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr("platformdirs.user_config_dir", lambda name: str(tmp_path / "config" / name))
    ws.project.mkdir()
    (ws.project / "edgebuild.yaml").write_text(YAML)
    (ws.project / "CMakeLists.txt").write_text("project(beat)\n")
    for row in ROWS:
        tarball = write_members(ws.out / row / f"beat-1.0-{row}.tar.gz", *GOOD)
        save_artifact(artifact_of(tarball, target=row), ws.out / row)
    return Desk(ws)


def test_from_a_key_to_a_checked_release(desk: Desk, tmp_path: Path) -> None:
    private = tmp_path / "config" / "edgebuild" / "release_key"
    said = desk("key", "generate")
    assert f"{private}: private key" in said
    assert f"{desk.ws.project / 'trusted_keys'}: now trusts it" in said
    assert private.stat().st_mode & 0o777 == 0o600
    place = desk.ws.out / "releases" / "beat-1.0"
    assert desk("release").splitlines()[0] == str(place)
    sealed, verified = (json.loads(desk(*each)) for each in (("release", "--json"), ("verify", "beat-1.0", "--json")))
    assert {**sealed, "schema": ""} == {**verified, "schema": ""}
    assert (sealed["schema"], verified["schema"]) == ("edgebuild.sealed/1", "edgebuild.verified/1")
    assert [len(payloads) for payloads in verified["rows"].values()] == [1, 1]
    assert verified["key"] in said
    assert desk("verify", place).startswith(f"beat-1.0: whole, signed by {verified['key']} edgebuild@")


def test_a_key_is_shown_by_what_it_is_for(desk: Desk) -> None:
    assert json.loads(desk("key", "show", "--json"))["keys"] == []
    desk("key", "generate")
    keys = json.loads(desk("key", "show", "--json"))["keys"]
    assert [each["use"] for each in keys] == ["sign", "trust"]
    assert keys[0]["id"] == keys[1]["id"]
    assert keys[0]["id"] in desk("key", "show")


def test_a_key_is_never_overwritten_and_force_keeps_the_old_one(desk: Desk, tmp_path: Path) -> None:
    place = tmp_path / "keys" / "mine"
    olds: list[bytes] = []
    for _ in range(3):
        desk("key", "generate", "--out", place, "--force")
        olds.append(place.read_bytes())
    with pytest.raises(ConfigError, match="never overwritten") as caught:
        desk("key", "generate", "--out", place)
    assert f"add {place}.pub's line to its trusted_keys" in caught.value.hint
    kept = [place.with_name(name).read_bytes() for name in ("mine.old1", "mine.old2", "mine")]
    assert kept == olds
    assert len(set(olds)) == 3
    assert len(json.loads(desk("key", "show", "--json"))["keys"]) == 3


def test_no_key_is_made_beside_a_trusted_keys_file_that_cannot_be_read(desk: Desk, tmp_path: Path) -> None:
    (desk.ws.project / "trusted_keys").write_text("nonsense\n")
    with pytest.raises(ConfigError, match="trusted_keys:1"):
        desk("key", "generate", "--out", tmp_path / "key")
    assert not (tmp_path / "key").exists()


def test_rows_formats_and_version_can_be_chosen(desk: Desk) -> None:
    desk("key", "generate")
    document = json.loads(desk("release", "--target", "generic-arm64", "--version", "1.1-rc1", "--json"))
    assert document["version"] == "1.1-rc1"
    (payload,) = document["rows"].pop("generic-arm64")
    assert payload["id"].startswith("1.1-rc1-")
    assert document["rows"] == {}
    with pytest.raises(NotAvailable, match="'generic-arm64' was built without image") as missing:
        desk("release", "--format", "image")
    assert missing.value.hint == "`edgebuild build --target generic-arm64 --format image` makes it."


def test_a_release_that_nobody_would_accept_says_so(desk: Desk, tmp_path: Path) -> None:
    desk("key", "generate", "--out", tmp_path / "key")
    desk("release", "--key", tmp_path / "key")
    (desk.ws.project / "trusted_keys").unlink()
    desk("release", "--key", tmp_path / "key")
    said = desk.ws.log._stream.getvalue()  # type: ignore[attr-defined]
    assert said.count("does not list SHA256:") == 1
    line = said.rpartition("what this key signs: ")[2]
    (desk.ws.project / "trusted_keys").write_text(line)
    assert desk("verify", "beat-1.0").startswith("beat-1.0: whole")


def not_built(desk: Desk) -> None:
    (desk.ws.out / "generic-x86_64" / "manifest.json").unlink()


def built_from_another_version(desk: Desk) -> None:
    desk.change("generic-x86_64", lambda artifact: msgspec.structs.replace(artifact, version="0.9"))


def built_from_a_dirty_tree(desk: Desk) -> None:
    desk.change("generic-arm64", lambda artifact: msgspec.structs.replace(artifact, version="1.0+dirty"))


def archive_changed(desk: Desk) -> None:
    path = desk.ws.out / "generic-arm64" / "beat-1.0-generic-arm64.tar.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"!")


@pytest.mark.parametrize(
    ("spoil", "args", "kind", "message"),
    [
        (not_built, (), NotAvailable, "there is no artifact of 'generic-x86_64' yet"),
        (built_from_another_version, (), ConfigError, "built as version 0.9, the project is at 1.0 now"),
        (built_from_another_version, ("--version", "2"), ConfigError, "x86_64 is 0.9, generic-arm64 is 1.0"),
        (built_from_a_dirty_tree, (), ConfigError, "cannot be released"),
        (built_from_a_dirty_tree, ("-t", "generic-arm64", "--version", "2"), ConfigError, "cannot be released"),
        (archive_changed, (), VerificationError, "its bytes were changed"),
        (lambda desk: None, ("--version", "../2"), ConfigError, "a release's version has"),
        (lambda desk: None, ("--key", "nowhere"), NotAvailable, "nowhere: there is no signing key"),
    ],
)
def test_what_cannot_be_released_says_why(
    spoil: Callable[[Desk], None], args: tuple[str, ...], kind: type[EdgebuildError], message: str, desk: Desk
) -> None:
    desk("key", "generate")
    spoil(desk)
    with pytest.raises(kind, match=message):
        desk("release", *args)
    assert not (desk.ws.out / "releases").exists()


def test_a_spoilt_release_is_refused_with_every_archive_that_is_wrong(desk: Desk) -> None:
    desk("key", "generate")
    desk("release")
    for archive in (desk.ws.out / "releases" / "beat-1.0").glob("*.tar.gz"):
        archive.unlink()
    with pytest.raises(VerificationError) as refused:
        desk("verify", "beat-1.0")
    assert refused.value.exit_code == 6
    assert refused.value.message.splitlines() == [f"beat-1.0-{row}.tar.gz: missing" for row in ROWS]


def test_a_key_taken_out_of_trusted_keys_is_refused_from_then_on(desk: Desk, tmp_path: Path) -> None:
    desk("key", "generate")
    desk("release")
    (desk.ws.project / "trusted_keys").write_text("# nobody any more\n")
    with pytest.raises(VerificationError, match="not a trusted key"):
        desk("verify", "beat-1.0")
