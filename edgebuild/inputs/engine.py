"""Images of the container engine on this machine, as `docker save` gives them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgebuild.errors import BuildError, NotAvailable
from edgebuild.workspace import Workspace

PREFIX = "docker:"
_ENGINE_TIMEOUT_S = 600  # for one answer; packing a large image up takes minutes
_HINT = "start one (in a checkout: .ci/engine), or name it in DOCKER_HOST."


class EngineImage:
    """One image; id: what it is known by whatever it is called."""

    def __init__(self, image: Any, reference: str) -> None:
        self._image = image
        self.reference = reference
        self.id = str(image.id)

    def save(self, path: Path, *, ws: Workspace) -> None:
        with ws.log.step(f"Saving {self.reference}"), path.open("wb") as file:
            for piece in self._image.save(named=True):
                file.write(piece)


@contextlib.contextmanager
def open_engine_image(reference: str) -> Iterator[EngineImage]:
    """reference: "NAME:TAG" or an id. Raises NotAvailable without an engine or such an image, BuildError."""
    import docker  # type: ignore[import-untyped]  # late: it takes a quarter of a second, and only this needs it

    try:
        client = docker.from_env(timeout=_ENGINE_TIMEOUT_S)
        client.ping()
    except (docker.errors.DockerException, OSError) as err:
        msg = f"no container engine answers: {err}"
        raise NotAvailable(msg, _HINT) from err
    try:
        yield EngineImage(client.images.get(reference), reference)
    except docker.errors.ImageNotFound as err:
        msg = f"{PREFIX}{reference}: the engine has no such image"
        raise NotAvailable(msg, f"`docker pull {reference}` gets one, `docker images` lists what is there.") from err
    except (docker.errors.DockerException, OSError) as err:
        msg = f"the container engine refused: {getattr(err, 'explanation', None) or err}"
        raise BuildError(msg) from err
    finally:
        client.close()
