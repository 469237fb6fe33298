"""edgebuild run --image: the image that would ship, in a container engine, under the same restrictions as on a box."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edgebuild.build.emulate import render_cpuinfo
from edgebuild.commands.artifact import verify_product
from edgebuild.digest import digest_of
from edgebuild.errors import BuildError, ConfigError, NotAvailable, VerificationError
from edgebuild.model.arch import Arch
from edgebuild.model.contract import CpuSpec
from edgebuild.model.product import Artifact
from edgebuild.model.target import TargetSpec
from edgebuild.package.oci import RUN, image_command, read_image_names
from edgebuild.workspace import Workspace

_ENGINE_TIMEOUT_S = 600  # for one answer of the engine; unpacking an image on a slow disk takes minutes
# What the engine's process 1 says. Its execvp() hands a foreign program to /bin/sh, which images of ours lack, so a
# missing emulator looks like a missing program. Source: tini 0.19, src/tini.c; exec(3), "Special semantics".
_NOT_STARTED = b"[FATAL tini"
_LAST_BYTES = 4096


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine in the container."""

    source: Path
    place: str
    read_only: bool = False


@dataclass(frozen=True)
class Emulated:
    """What a container needs where its programs run under qemu-user. cpuinfo: file to show, if the CPU states one."""

    cpu: str
    cpuinfo: Path | None


def parse_mount(text: str) -> Mount:
    """From "HOST:CONTAINER" or "HOST:CONTAINER:ro". Raises ConfigError; an engine would make a folder of root's
    for what is not there.
    """
    parts = text.split(":")
    if not (len(parts) == 2 or parts[2:] == ["ro"]) or not parts[0] or not PurePosixPath(parts[1]).is_absolute():
        msg = f"--mount: '{text}' is not HOST:CONTAINER or HOST:CONTAINER:ro, CONTAINER being absolute"
        raise ConfigError(msg, "for instance --mount ./data:/state:ro.")
    source = Path(parts[0]).absolute()
    if not source.exists():
        msg = f"--mount: {source}: no such file or folder"
        raise ConfigError(msg)
    return Mount(source, parts[1], read_only=len(parts) == 3)


def run_image(
    spec: TargetSpec,
    artifact: Artifact,
    argv: Sequence[str],
    mounts: Sequence[Mount],
    *,
    timeout_s: float,
    ws: Workspace,
) -> int:
    """The program's exit code. argv: what to run instead of the image's own command line, if anything.

    The container is gone afterwards, whatever happens; the image stays. Raises NotAvailable without an engine,
    BuildError when the program runs longer than timeout_s.
    """
    product = next((each for each in artifact.products if each.kind == "image"), None)
    if product is None:
        msg = f"the artifact of '{spec.name}' has no image"
        raise NotAvailable(msg, f"`edgebuild build --target {spec.name} --format image` makes it.")
    verify_product(product, ws.out / artifact.target)
    with _engine() as client:
        image_id = _load(client, ws.out / artifact.target / product.path, ws=ws)
        emulated = _emulation(client, spec.arch, spec.contract.cpu, ws=ws)
        options = container_options(image_id, argv, mounts, emulated)
        return _run(client, options, timeout_s, emulator=spec.arch.qemu if emulated else "")


def container_options(
    image_id: str, argv: Sequence[str], mounts: Sequence[Mount], emulated: Emulated | None
) -> dict[str, Any]:
    """What the engine is asked for, in the docker SDK's words. The user is the image's own."""
    options: dict[str, Any] = {
        "image": image_id,
        "init": True,  # a crashing process 1 under emulation would hang for ever
        "read_only": True,
        "tmpfs": {"/tmp": "mode=1777", RUN: "mode=1777"},  # the user may write there, and to what is mounted
        "mounts": [
            {"Type": "bind", "Source": str(each.source), "Target": each.place, "ReadOnly": each.read_only}
            for each in mounts
        ],
    }
    if argv:
        program, *rest = image_command(shlex.join(argv))
        options |= {"entrypoint": [program], "command": rest}
    if emulated:
        options["environment"] = {"QEMU_CPU": emulated.cpu}
        if emulated.cpuinfo:
            source = str(emulated.cpuinfo)
            options["mounts"].append({"Type": "bind", "Source": source, "Target": "/proc/cpuinfo", "ReadOnly": True})
    return options


@contextlib.contextmanager
def _engine() -> Iterator[Any]:
    """A client of the engine that DOCKER_HOST names, or of this machine's."""
    import docker  # type: ignore[import-untyped]  # late: it takes a quarter of a second, and only this needs it

    try:
        client = docker.from_env(timeout=_ENGINE_TIMEOUT_S)
        client.ping()
    except (docker.errors.DockerException, OSError) as err:
        msg = f"no container engine answers: {err}"
        raise NotAvailable(msg, "start one (in a checkout: .ci/engine), or name it in DOCKER_HOST.") from err
    try:
        yield client
    except docker.errors.DockerException as err:
        msg = f"the container engine refused: {getattr(err, 'explanation', None) or err}"
        raise BuildError(msg) from err
    finally:
        client.close()


def _load(client: Any, path: Path, *, ws: Workspace) -> str:
    """The image's id in the engine, loaded if it is not there yet."""
    reference, *ids = read_image_names(path)
    if known := _find(client, ids):
        return known
    with ws.log.step(f"Loading {reference} into the engine"), path.open("rb") as file:
        client.images.load(file)
    if known := _find(client, ids):
        return known
    msg = f"{path.name}: the engine loaded it, but does not know {ids[0]}"
    raise VerificationError(msg, "the engine gave the image another id than its contents have; build the target again.")


def _find(client: Any, ids: Sequence[str]) -> str:
    """Engines call an image by the digest of its configuration or, where they keep OCI content, of its manifest."""
    import docker

    for image_id in ids:
        try:
            return str(client.images.get(image_id).id)
        except docker.errors.ImageNotFound:
            continue
    return ""


def _emulation(client: Any, arch: Arch, cpu: CpuSpec, *, ws: Workspace) -> Emulated | None:
    """None where the engine's machine is of the image's architecture."""
    if client.version()["Arch"] == arch.debian:
        return None
    text = render_cpuinfo(cpu, os.cpu_count() or 1)
    if not text:
        return Emulated(cpu.emulated_as, None)

    def make(folder: Path) -> None:
        (folder / "cpuinfo").write_text(text)
        (folder / "cpuinfo").chmod(0o644)  # the container's user is another one, whatever our umask

    place = ws.provide("cpuinfo", cpu.model, digest_of(text), make, f"Describing {cpu.model}")
    return Emulated(cpu.emulated_as, place / "cpuinfo")


def _run(client: Any, options: Mapping[str, Any], timeout_s: float, *, emulator: str) -> int:
    container = client.containers.create(**options)
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        with contextlib.suppress(Exception):  # it has just ended by itself
            container.kill()

    watchdog = threading.Timer(timeout_s, expire)
    try:
        output = container.attach(stdout=True, stderr=True, stream=True, logs=True, demux=True)
        container.start()
        watchdog.start()
        last_words = _copy(output)
        code = int(container.wait()["StatusCode"])
        if expired.is_set():
            msg = f"the container was still running after {timeout_s:g} s, ended"
            raise BuildError(msg, "--timeout SECONDS gives it longer.")
        if code and emulator and _NOT_STARTED in last_words:
            msg = "the engine's machine could not start the program, which is of another architecture"
            raise NotAvailable(msg, f"is it there, and is {emulator} registered with the kernel (.ci/binfmt check)?")
        return code
    finally:
        watchdog.cancel()
        container.remove(force=True, v=True)


def _copy(output: Iterator[tuple[bytes | None, bytes | None]]) -> bytes:
    """Passes on what the program says, as it comes. Returns the end of stderr, which may have come in pieces."""
    last_words = b""
    for out, err in output:
        for content, stream in ((out, sys.stdout), (err, sys.stderr)):
            if content:
                stream.buffer.write(content)
                stream.flush()
        last_words = (last_words + (err or b""))[-_LAST_BYTES:]
    return last_words
