"""What `run --image` asks of an engine, and that it leaves no container behind. The engine here is a fake."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest

from edgebuild.commands.artifact import product_of
from edgebuild.commands.run_image import Emulated, Mount, _copy, container_options, parse_mount, run_image
from edgebuild.config.targets import load_target
from edgebuild.errors import BuildError, ConfigError, NotAvailable, VerificationError
from edgebuild.model.arch import ARCHES
from edgebuild.model.image import ImageBase, ImageFacts, ImageUser
from edgebuild.model.product import Artifact
from edgebuild.package.oci import write_image
from edgebuild.workspace import Workspace

ROW = "generic-arm64"


class Container:
    """says: chunks of (stdout, stderr). hangs: until somebody kills it."""

    def __init__(self, says: list[tuple[bytes | None, bytes | None]], code: int, hangs: bool, fails: str) -> None:
        self.says, self.code, self.hangs, self.fails = says, code, hangs, fails
        self.killed = threading.Event()
        self.removed = False

    def attach(self, **_: Any) -> Iterator[tuple[bytes | None, bytes | None]]:
        yield from self.says
        if self.hangs:
            assert self.killed.wait(5)

    def start(self) -> None:
        if self.fails:
            raise docker.errors.APIError(self.fails)

    def kill(self) -> None:
        self.killed.set()

    def wait(self) -> dict[str, int]:
        return {"StatusCode": 137 if self.killed.is_set() else self.code}

    def remove(self, *, force: bool, v: bool) -> None:
        assert force and v
        self.removed = True


class Engine:
    """As much of docker.DockerClient as is used. gives: ids that a loaded image gets."""

    def __init__(self, gives: str, arch: str = "amd64") -> None:
        self.known: set[str] = set()
        self.loads = 0
        self.asked: dict[str, Any] = {}
        self.container = Container([], 0, hangs=False, fails="")
        self.images = SimpleNamespace(get=self._get, load=lambda _file: self._load(gives))
        self.containers = SimpleNamespace(create=self._create)
        self.version = lambda: {"Arch": arch}
        self.ping = self.close = lambda: None

    def _get(self, image_id: str) -> Any:
        if image_id not in self.known:
            raise docker.errors.ImageNotFound(image_id)
        return SimpleNamespace(id=image_id)

    def _load(self, image_id: str) -> None:
        self.loads += 1
        self.known.add(image_id)

    def _create(self, **options: Any) -> Container:
        self.asked = options
        return self.container


@pytest.fixture
def facts(ws: Workspace, tmp_path: Path) -> ImageFacts:
    """An image in out/, as a build leaves it."""
    for name in ("base", "stage/bin"):
        (tmp_path / name).mkdir(parents=True)
    program = tmp_path / "stage/bin/acme"
    program.write_text("#!")
    program.chmod(0o755)
    user = ImageUser(name="edge", uid=65532, gid=65532)
    base = ImageBase(name="b", digest="0", arch=ARCHES["aarch64"], root=tmp_path / "base", user=user, elves=())
    path = ws.out / ROW / "acme.image.tar"
    values = {"name": "acme", "version": "1", "target": ROW, "command": ("/app/bin/acme",)}
    return write_image(base, tmp_path / "stage", path, ws=ws, **values)  # type: ignore[arg-type]


@pytest.fixture
def engine(facts: ImageFacts, monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine(facts.image_id)
    monkeypatch.setattr(docker, "from_env", lambda **_: engine)
    return engine


def start(ws: Workspace, *argv: str, timeout_s: float = 5) -> int:
    products = tuple(product_of("image", path) for path in (ws.out / ROW).glob("*.image.tar"))
    artifact = Artifact(
        name="acme", version="1", target=ROW, arch="aarch64", plan="", products=products, abi={}, made_from={}
    )
    return run_image(load_target(ROW, ws), artifact, argv, [], timeout_s=timeout_s, ws=ws)


def test_the_program_speaks_and_ends_as_if_it_ran_here(
    engine: Engine, ws: Workspace, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    engine.container = Container([(b"out\n", None), (None, b"err\n"), (b"\xff", None)], 7, hangs=False, fails="")
    assert start(ws) == 7
    assert capfdbinary.readouterr() == (b"out\n\xff", b"err\n")
    assert engine.container.removed


def test_an_image_is_loaded_once(engine: Engine, ws: Workspace) -> None:
    start(ws)
    start(ws)
    assert engine.loads == 1


def test_an_engine_that_keeps_oci_content_knows_it_by_its_manifest(
    engine: Engine, facts: ImageFacts, ws: Workspace
) -> None:
    engine.known = {facts.manifest}
    start(ws)
    assert (engine.loads, engine.asked["image"]) == (0, facts.manifest)


def test_an_image_that_is_another_in_the_engine_is_not_run(facts: ImageFacts, ws: Workspace, engine: Engine) -> None:
    engine.images.load = lambda _file: None
    with pytest.raises(VerificationError, match=facts.image_id):
        start(ws)
    assert engine.asked == {}


def test_a_file_that_has_changed_is_not_loaded(engine: Engine, facts: ImageFacts, ws: Workspace) -> None:
    (path,) = (ws.out / ROW).glob("*.image.tar")
    product = product_of("image", path)
    path.write_bytes(path.read_bytes() + b"\0")
    artifact = Artifact(
        name="acme", version="1", target=ROW, arch="aarch64", plan="", products=(product,), abi={}, made_from={}
    )
    with pytest.raises(VerificationError, match="manifest"):
        run_image(load_target(ROW, ws), artifact, [], [], timeout_s=5, ws=ws)
    assert engine.loads == 0


def test_what_runs_too_long_is_ended(engine: Engine, ws: Workspace) -> None:
    engine.container = Container([], 0, hangs=True, fails="")
    with pytest.raises(BuildError, match=r"still running after 0\.05 s"):
        start(ws, timeout_s=0.05)
    assert engine.container.killed.is_set()
    assert engine.container.removed


def test_nothing_stays_when_the_engine_refuses(engine: Engine, ws: Workspace) -> None:
    engine.container = Container([], 0, hangs=False, fails="no space left")
    with pytest.raises(BuildError, match="no space left"):
        start(ws)
    assert engine.container.removed


def test_a_missing_emulator_is_named(engine: Engine, ws: Workspace) -> None:
    engine.container = Container([(None, b"[FATAL tini (7)] exec /app/bin/acme failed")], 127, hangs=False, fails="")
    with pytest.raises(NotAvailable, match="another architecture") as caught:
        start(ws)
    assert "qemu-aarch64" in caught.value.hint
    engine.version = lambda: {"Arch": "arm64"}
    assert start(ws) == 127


def test_without_an_engine_or_an_image_the_remedy_is_said(
    facts: ImageFacts, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{ws.cache}/nowhere.sock")
    with pytest.raises(NotAvailable, match="no container engine answers") as caught:
        start(ws)
    assert "DOCKER_HOST" in caught.value.hint
    (ws.out / ROW / "acme.image.tar").unlink()
    with pytest.raises(NotAvailable, match="has no image"):
        start(ws)


def test_emulation_shows_the_boxs_cpu(engine: Engine, ws: Workspace) -> None:
    start(ws)
    assert engine.asked["environment"] == {"QEMU_CPU": "cortex-a53"}
    (shown,) = engine.asked["mounts"]
    assert (shown["Target"], shown["ReadOnly"]) == ("/proc/cpuinfo", True)
    path = Path(shown["Source"])
    assert "CPU part\t: 0xd03" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o644
    engine.version = lambda: {"Arch": "arm64"}
    start(ws)
    assert engine.asked["mounts"] == []
    assert "environment" not in engine.asked


def test_a_container_gets_no_more_than_on_a_box(tmp_path: Path) -> None:
    mounts = [Mount(tmp_path, "/state"), Mount(tmp_path, "/in", read_only=True)]
    assert container_options("sha256:1", (), mounts, None) == {
        "image": "sha256:1",
        "init": True,
        "read_only": True,
        "tmpfs": {"/tmp": "mode=1777", "/run": "mode=1777"},
        "mounts": [
            {"Type": "bind", "Source": str(tmp_path), "Target": "/state", "ReadOnly": False},
            {"Type": "bind", "Source": str(tmp_path), "Target": "/in", "ReadOnly": True},
        ],
    }


def test_words_replace_the_images_own_command_line() -> None:
    options = container_options("i", ("bin/acme", "two words"), (), Emulated("max", None))
    assert (options["entrypoint"], options["command"]) == (["/app/bin/acme"], ["two words"])
    assert options["mounts"] == []


def test_mounts_are_checked_before_the_engine_makes_folders_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_mount(".:/state") == Mount(tmp_path, "/state")
    assert parse_mount(f"{tmp_path}:/in:ro") == Mount(tmp_path, "/in", read_only=True)
    for text in ("", "/state", ":/state", ".:state", ".:/state:rw", ".:/state:ro:", "missing:/state"):
        with pytest.raises(ConfigError, match="--mount"):
            parse_mount(text)


def test_last_words_that_come_in_pieces_are_joined(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    pieces = [(b"out", None), (None, b"[FATAL tini (7)] exec /bin/sh failed"), (None, b"\n"), (None, None)]
    assert _copy(iter(pieces)) == b"[FATAL tini (7)] exec /bin/sh failed\n"
    assert capfdbinary.readouterr().out == b"out"
