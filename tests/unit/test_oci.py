"""One file, two formats: what engines and OCI tools will ask of it, read with nothing but tar, gzip and JSON."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from edgebuild.errors import ConfigError, VerificationError
from edgebuild.model.arch import ARCHES
from edgebuild.model.image import ImageBase, ImageFacts, ImageUser
from edgebuild.package.layers import layer_of
from edgebuild.package.oci import image_command, read_image_names, write_image
from edgebuild.workspace import Workspace

USER = ImageUser(name="edge", uid=65532, gid=65532)
COMMAND = ("/app/bin/acme", "--state", "/state")
FILES = {
    "bin/acme": "#!",
    "lib/libx.so.5": "x",
    "lib/acme/libbig.so.1": "big",
    "lib/acme/acme-cpu.so": "module",
    "share/licenses/x/COPYING": "terms",
    "share/words": "w",
}


@pytest.fixture
def base(tmp_path: Path) -> ImageBase:
    root = tmp_path / "base"
    fill(root, {"etc/passwd": "root", "usr/lib/libc.so.6": "c"})
    (root / "lib").symlink_to("usr/lib")
    return ImageBase(name="tiny-1", digest="0" * 64, arch=ARCHES["aarch64"], root=root, user=USER, elves=())


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    tree = tmp_path / "stage"
    fill(tree, FILES)
    (tree / "bin/acme").chmod(0o700)
    (tree / "lib/libx.so").symlink_to("libx.so.5")
    (tree / "empty").mkdir()
    return tree


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write(base: ImageBase, stage: Path, path: Path, ws: Workspace, **change: Any) -> ImageFacts:
    values: dict[str, Any] = {"name": "acme", "version": "1.0", "target": "box", "command": COMMAND, **change}
    return write_image(base, stage, path, ws=ws, **values)


def members(path: Path) -> dict[str, bytes]:
    """Every file of the image."""
    with tarfile.open(path, "r:") as archive:
        files = [member for member in archive if member.isreg()]
        return {member.name: archive.extractfile(member).read() for member in files}  # type: ignore[union-attr]


def blob(content: dict[str, bytes], digest: str) -> bytes:
    """A blob by its digest, which it has to have."""
    found = content[f"blobs/{digest.replace(':', '/')}"]
    assert f"sha256:{sha256(found).hexdigest()}" == digest
    return found


def layer_tars(path: Path) -> list[tarfile.TarFile]:
    content = members(path)
    (entry,) = json.loads(content["manifest.json"])
    return [tarfile.open(fileobj=io.BytesIO(gzip.decompress(content[name]))) for name in entry["Layers"]]


def test_every_digest_in_it_is_the_one_of_what_it_names(
    base: ImageBase, stage: Path, ws: Workspace, tmp_path: Path
) -> None:
    facts = write(base, stage, tmp_path / "image.tar", ws)
    content = members(tmp_path / "image.tar")
    (descriptor,) = json.loads(content["index.json"])["manifests"]
    manifest = json.loads(blob(content, descriptor["digest"]))
    config = json.loads(blob(content, manifest["config"]["digest"]))
    layers = [blob(content, layer["digest"]) for layer in manifest["layers"]]

    assert json.loads(content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert [layer["size"] for layer in manifest["layers"]] == [len(layer) for layer in layers]
    diff_ids = [f"sha256:{sha256(gzip.decompress(layer)).hexdigest()}" for layer in layers]
    assert config["rootfs"] == {"type": "layers", "diff_ids": diff_ids}
    assert len(config["history"]) == len(layers)

    assert facts.image_id == manifest["config"]["digest"]
    assert facts.manifest == descriptor["digest"]
    assert facts.sha256 == sha256((tmp_path / "image.tar").read_bytes()).hexdigest()
    assert [(each.digest, each.diff_id) for each in facts.layers] == [
        (layer["digest"], diff_id) for layer, diff_id in zip(manifest["layers"], diff_ids, strict=True)
    ]
    assert facts.unpacked_bytes == sum(len(gzip.decompress(layer)) for layer in layers)
    assert len(content) == 3 + 2 + len(layers), "nothing that no digest speaks of"


def test_both_formats_mean_the_same_image(base: ImageBase, stage: Path, ws: Workspace, tmp_path: Path) -> None:
    facts = write(base, stage, tmp_path / "image.tar", ws)
    content = members(tmp_path / "image.tar")
    (entry,) = json.loads(content["manifest.json"])
    assert entry["RepoTags"] == ["acme:1.0-box"] == [facts.reference]
    assert sha256(content[entry["Config"]]).hexdigest() == facts.image_id.removeprefix("sha256:")
    assert [f"sha256:{Path(name).name}" for name in entry["Layers"]] == [layer.digest for layer in facts.layers]
    assert read_image_names(tmp_path / "image.tar") == (facts.reference, facts.image_id, facts.manifest)


def test_the_configuration_says_what_an_engine_has_to_know(
    base: ImageBase, stage: Path, ws: Workspace, tmp_path: Path
) -> None:
    facts = write(base, stage, tmp_path / "image.tar", ws, labels={"org.acme": "x"}, created=1_700_000_000)
    config = json.loads(blob(members(tmp_path / "image.tar"), facts.image_id))
    assert (config["architecture"], config["os"], config["created"]) == ("arm64", "linux", "2023-11-14T22:13:20Z")
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == list(COMMAND)
    assert config["config"]["WorkingDir"] == "/app"
    assert config["config"]["StopSignal"] == "SIGTERM"
    assert {"APP=/app", "STATE=/state", "RUN=/run"} < set(config["config"]["Env"])
    assert config["config"]["Labels"] == {
        "org.acme": "x",
        "org.opencontainers.image.title": "acme",
        "org.opencontainers.image.version": "1.0",
        "org.opencontainers.image.base.name": "tiny-1",
    }


def test_source_date_is_when_it_was_made(
    base: ImageBase, stage: Path, ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undated = write(base, stage, tmp_path / "undated.tar", ws)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    dated = write(base, stage, tmp_path / "dated.tar", ws)
    config = json.loads(blob(members(tmp_path / "dated.tar"), dated.image_id))
    assert config["created"] == "1970-01-02T00:00:00Z"
    assert dated.layers == undated.layers, "a date that changes with every release must not make every layer new"


def test_equal_trees_give_equal_images(base: ImageBase, stage: Path, ws: Workspace, tmp_path: Path) -> None:
    """Another cache, other times and umask: another machine."""
    first = write(base, stage, tmp_path / "first.tar", ws)
    for path in stage.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700 | 0o006)
            path.write_bytes(path.read_bytes())
    other = Workspace(cache=tmp_path / "other", out=ws.out, project=ws.project, log=ws.log)
    assert write(base, stage, tmp_path / "second.tar", other) == first
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()


def test_a_change_of_the_program_leaves_the_other_layers_alone(
    base: ImageBase, stage: Path, ws: Workspace, tmp_path: Path
) -> None:
    before = write(base, stage, tmp_path / "image.tar", ws)
    (stage / "bin/acme").write_text("#! 2")
    after = write(base, stage, tmp_path / "image.tar", ws)
    assert [layer.title for layer in before.layers] == ["base", "libraries", "runtimes", "modules", "application"]
    assert before.layers[:-1] == after.layers[:-1]
    assert before.layers[-1] != after.layers[-1]
    assert before.image_id != after.image_id


def test_together_the_layers_are_base_and_tree(base: ImageBase, stage: Path, ws: Workspace, tmp_path: Path) -> None:
    write(base, stage, tmp_path / "image.tar", ws)
    files: dict[str, bytes] = {}
    rights: dict[str, tuple[int, int, int]] = {}
    for layer in layer_tars(tmp_path / "image.tar"):
        for member in layer:
            assert PurePosixPath(member.name).parent == PurePosixPath(".") or str(
                PurePosixPath(member.name).parent
            ) in {*rights}, f"{member.name}: its folder comes first, so that every reader gives it the same rights"
            assert rights.setdefault(member.name, (member.mode, member.uid, member.gid)) == (
                member.mode,
                member.uid,
                member.gid,
            )
            assert (member.mtime, member.uname, member.gname) == (0, "", "")
            if member.isreg():
                assert member.name not in files, f"{member.name} is in two layers"
                files[member.name] = layer.extractfile(member).read()  # type: ignore[union-attr]
    expected = {f"app/{name}": text.encode() for name, text in FILES.items()}
    assert files == {**expected, "etc/passwd": b"root", "usr/lib/libc.so.6": b"c"}
    assert rights["app/bin/acme"] == (0o755, 0, 0)
    assert rights["app/share/words"] == (0o644, 0, 0)
    assert rights["app/empty"] == (0o755, 0, 0)
    assert rights["tmp"] == rights["run"] == (0o1777, 0, 0)
    assert rights["state"] == (0o755, 65532, 65532)
    assert {"lib", "app/lib/libx.so"} < set(rights)


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        ("bin/acme", "application"),
        ("lib/libx.so.5", "libraries"),
        ("lib/libx.so", "libraries"),
        ("lib/words.txt", "application"),
        ("lib/acme/libbig.so.1", "runtimes"),
        ("lib/acme/libacme-cpu.so", "modules"),
        ("lib/acme/table.bin", "modules"),
        ("share/licenses/x/COPYING", "libraries"),
        ("share/x", "application"),
        ("lib", "application"),
    ],
)
def test_layer_of_a_file(path: str, layer: str) -> None:
    assert layer_of(PurePosixPath(path)) == layer


def test_a_project_of_one_program_has_two_layers(base: ImageBase, ws: Workspace, tmp_path: Path) -> None:
    fill(tmp_path / "one", {"bin/acme": "#!"})
    (tmp_path / "one/bin/acme").chmod(0o755)
    facts = write(base, tmp_path / "one", tmp_path / "image.tar", ws)
    assert [layer.title for layer in facts.layers] == ["base", "application"]


def test_a_version_that_no_tag_can_hold_still_names_the_image(
    base: ImageBase, stage: Path, ws: Workspace, tmp_path: Path
) -> None:
    facts = write(base, stage, tmp_path / "image.tar", ws, version="1.0+3.gabc")
    assert facts.reference == "acme:1.0-3.gabc-box"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bin/acme ${STATE}/in.yaml --to ${RUN}/s.json", ("/app/bin/acme", "/state/in.yaml", "--to", "/run/s.json")),
        ("acme 'two words'", ("acme", "two words")),
        ("${APP}/bin/acme", ("/app/bin/acme",)),
        ("./bin/acme", ("/app/bin/acme",)),
        ("/usr/bin/x", ("/usr/bin/x",)),
    ],
)
def test_command_lines_as_they_are_in_a_container(line: str, words: tuple[str, ...]) -> None:
    assert image_command(line) == words


@pytest.mark.parametrize("line", ["", "bin/acme 'open"])
def test_a_command_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="run:"):
        image_command(line)


@pytest.mark.parametrize("program", ["/app/bin/other", "/app/share/words", "/app/bin"])
def test_a_program_that_is_not_in_the_tree_is_refused(
    program: str, base: ImageBase, stage: Path, ws: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no such program"):
        write(base, stage, tmp_path / "image.tar", ws, command=(program,))
    assert not (tmp_path / "image.tar").exists()


@pytest.mark.parametrize("content", [b"", b"no tar", b"\0" * 10240])
def test_a_file_that_is_no_image_is_called_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(content)
    with pytest.raises(VerificationError, match="not an image"):
        read_image_names(tmp_path / "image.tar")
