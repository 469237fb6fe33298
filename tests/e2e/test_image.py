"""The arm64 image as others see it: a real engine runs it, OCI tools read it, and little is in it."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgebuild.build.image_base import provide_image_base
from edgebuild.config.targets import load_target
from edgebuild.config.yaml import load_yaml
from edgebuild.elf import is_elf
from edgebuild.log import Log
from edgebuild.model.project import Project
from edgebuild.package.oci import image_command, write_image
from edgebuild.unpack import unpack_tar
from edgebuild.workspace import Workspace
from tests.e2e.conftest import Built
from tests.e2e.harness import (
    ARM,
    NATIVE,
    NEW_ROOT,
    REPOSITORY,
    SPREAD_FRAMES,
    Ended,
    FrameLine,
    assert_same_boxes,
    call,
    edgebuild,
    write_pipeline,
)

MAX_PACKED_MB = 30
FRAMES = SPREAD_FRAMES[1:4]  # a frame takes seconds under emulation
LAYERS = ["base", "libraries", "runtimes", "modules", "application"]


@dataclass(frozen=True)
class Image:
    path: Path
    reference: str
    image_id: str
    sha256: str

    @property
    def tag(self) -> str:
        return self.reference.partition(":")[2]


def image_of(built: Built) -> Image:
    (product,) = [each for each in built.manifest["products"] if each["kind"] == "image"]
    return Image(built.folder / product["path"], product["image"], product["image_id"], product["sha256"])


@pytest.fixture(scope="module")
def image(arm: Built) -> Image:
    return image_of(arm)


@pytest.fixture(scope="module")
def root(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file system of the image as umoci unpacks it."""
    folder = tmp_path_factory.mktemp("oci")
    unpack_tar(image.path, folder / "layout")  # Debian 12's tarfile knows no filter
    call(
        "umoci", "unpack", "--rootless", "--image", f"{folder / 'layout'}:{image.tag}", folder / "bundle", timeout_s=120
    ).succeed()
    return folder / "bundle" / "rootfs"


@pytest.fixture(scope="module")
def state(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a box's /state would hold, for the image's user to read: pytest's folders are for their owner alone."""
    folder = tmp_path_factory.mktemp("state")
    for name in ("bikes.mp4", "centerface.onnx", "centerface.yaml"):
        shutil.copyfile(clips / name, folder / name)
    write_pipeline(folder, "pipeline", "bikes.mp4", frames=FRAMES)
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o755)
    return folder


def run_image(row: str, state: Path, *argv: str | Path, options: tuple[str, ...] = (), timeout_s: int = 300) -> Ended:
    words = ("--image", "--target", row, "--mount", f"{state}:/state:ro", "--timeout", str(timeout_s), *options)
    return edgebuild("run", *words, *(("--", *argv) if argv else ()), timeout_s=timeout_s + 60)


def docker(*argv: str) -> str:
    return call("docker", *argv, timeout_s=60).succeed().stdout.strip()


def assert_agrees(lines: dict[int, FrameLine], native: dict[int, FrameLine]) -> None:
    assert tuple(lines) == FRAMES
    assert sum(line.has_face() for line in lines.values()) >= 2, "an empty comparison proves nothing"
    for number, line in lines.items():
        assert line.digests == native[number].digests, f"frame {number}: decoded picture or input tensor differs"
        assert_same_boxes(line.boxes, native[number].boxes, place=f"frame {number}")


# ---- In an engine ----


def test_the_arm64_image_finds_what_the_desk_finds(
    image: Image, state: Path, native_lines: dict[str, dict[int, FrameLine]]
) -> None:
    """Its own command line, emulated, read-only, on the real video."""
    assert_agrees(run_image(ARM, state).frames(), native_lines["bikes.mp4"])
    assert docker("image", "inspect", "-f", "{{.Id}} {{.Architecture}}", image.reference) == f"{image.image_id} arm64"
    history = docker("history", "--format", "{{.CreatedBy}}", image.reference).splitlines()
    assert history == [f"edgebuild: {title}" for title in reversed(LAYERS)]
    assert docker("ps", "-aq", "--filter", f"ancestor={image.image_id}") == "", "the container is gone"


def test_the_x86_64_image_finds_it_too(
    native: Built, state: Path, native_lines: dict[str, dict[int, FrameLine]]
) -> None:
    assert_agrees(run_image(NATIVE, state).frames(), native_lines["bikes.mp4"])


def test_programs_in_it_are_nobody_and_write_nowhere_but_in_memory(image: Image, state: Path) -> None:
    """Asked by a shell that is brought along, since the image has none."""
    sysroot = edgebuild("sysroot", "provide", NEW_ROOT).succeed().stdout.strip()
    shell = ("--mount", f"{sysroot}/usr/bin/dash:/brought/sh:ro")
    script = """
        while read -r key first rest; do
            case $key in Uid: | Gid: | CapEff:) echo "$key$first" ;; esac
        done </proc/self/status
        for folder in / /app /etc /usr/lib /state /tmp /run; do
            (echo x >$folder/written) 2>/dev/null && echo "$folder"
        done
        exit 7
    """
    ended = run_image(ARM, state, "/brought/sh", "-c", script, options=shell, timeout_s=60)
    assert ended.code == 7, ended.stderr
    assert ended.stdout.split() == ["Uid:65532", "Gid:65532", "CapEff:0000000000000000", "/tmp", "/run"]
    without = run_image(ARM, state, "/bin/sh", "-c", "exit 7", timeout_s=60)
    assert without.code == 3
    assert "could not start" in without.stderr


def test_a_program_that_never_ends_is_ended(image: Image, state: Path) -> None:
    sysroot = edgebuild("sysroot", "provide", NEW_ROOT).succeed().stdout.strip()
    shell = ("--mount", f"{sysroot}/usr/bin/dash:/brought/sh:ro")
    ended = run_image(ARM, state, "/brought/sh", "-c", "while :; do :; done", options=shell, timeout_s=5)
    assert ended.code == 4
    assert "still running after 5 s" in ended.stderr
    assert docker("ps", "-aq", "--filter", f"ancestor={image.image_id}") == ""


# ---- As a file ----


def test_it_is_small_and_holds_nothing_to_run_but_the_program(image: Image, root: Path, arm: Built) -> None:
    size_mb = image.path.stat().st_size / 1e6
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    names = [path.relative_to(root).as_posix() for path in files]
    print(f"{image.path.name}: {size_mb:.1f} MB packed, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB in")
    for path, name in zip(files, names, strict=True):
        print(f"{path.stat().st_size:>10}  {name}")
    assert size_mb <= MAX_PACKED_MB
    assert {name for name in names if name.startswith("app/")} == {
        f"app/{path.relative_to(arm.tree).as_posix()}" for path in arm.shipped
    }
    elves = {name for path, name in zip(files, names, strict=True) if is_elf(path)}
    # The second is what the first tries unknown models in.
    programs = {"app/bin/edgecore", "app/lib/edgecore/edgecore-try"}
    assert {name for name in elves if ".so" not in Path(name).name} == programs
    assert [name for path, name in zip(files, names, strict=True) if path.read_bytes()[:2] == b"#!"] == []
    assert not any(word in name for name in names for word in ("python", "perl", "gconv", "locale", "apt", "busybox"))


def test_scanners_find_packages_with_versions_and_licences(root: Path) -> None:
    status = {path.name: path.read_text() for path in (root / "var/lib/dpkg/status.d").iterdir()}
    assert set(status) == {"libc6", "libgcc-s1", "libstdc++6", "gcc-12-base"}
    for name, text in status.items():
        assert f"Package: {name}\nSource: " in text
        assert "\nVersion: " in text
        assert (root / "usr/share/doc" / name / "copyright").stat().st_size > 1000
    assert 'VERSION_ID="12"' in (root / "etc/os-release").read_text()


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_skopeo_reads_and_copies_both_formats(transport: str, image: Image, tmp_path: Path) -> None:
    def skopeo(*argv: str) -> Any:
        return json.loads(call("skopeo", *argv, timeout_s=120).succeed().stdout)

    config = skopeo("inspect", "--config", f"{transport}:{image.path}")
    assert (config["architecture"], config["os"]) == ("arm64", "linux")
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"][0] == "/app/bin/edgecore"
    raw = call("skopeo", "inspect", "--config", "--raw", f"{transport}:{image.path}", timeout_s=60).succeed().stdout
    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == image.image_id
    # A copy reads every byte and checks every digest.
    call("skopeo", "copy", f"{transport}:{image.path}", f"dir:{tmp_path / 'copy'}", timeout_s=120).succeed()


def test_made_again_elsewhere_it_has_the_same_bytes(image: Image, arm: Built, cache: Workspace, tmp_path: Path) -> None:
    """Another cache, folder and hour: base, layers and image are made anew from the tarball that ships."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "downloads").symlink_to(cache.cache / "downloads")
    again = Workspace(tmp_path / "cache", tmp_path / "out", REPOSITORY, Log(quiet=True))
    spec = load_target(ARM, again)
    assert spec.image
    (tarball,) = arm.products("tarball")
    unpack_tar(tarball, tmp_path / "stage", strip=1)
    project = load_yaml(REPOSITORY / "cpp_core" / "edgebuild.yaml", Project)
    facts = write_image(
        provide_image_base(spec.image.name, spec.image.recipe, spec.arch.name, spec.image.lock, ws=again),
        tmp_path / "stage",
        tmp_path / "again.tar",
        name=project.name,
        version=arm.manifest["version"],
        target=ARM,
        command=image_command(project.run),
        ws=again,
    )
    assert (facts.reference, facts.image_id, facts.sha256) == (image.reference, image.image_id, image.sha256)
