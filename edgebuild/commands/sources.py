"""What imports take: something on this machine, a box over SSH, an image of the local engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edgebuild.commands.fleet import Wish
from edgebuild.deploy.collect import BoxRoot
from edgebuild.deploy.ssh import connect
from edgebuild.errors import NotAvailable
from edgebuild.inputs.engine import PREFIX, open_engine_image
from edgebuild.workspace import Workspace


def is_box(source: str) -> bool:
    """USER@HOST; a reference of an image may have a digest behind an "@"."""
    return not Path(source).exists() and "@" in source and "@sha256:" not in source


@contextlib.contextmanager
def open_box(reach: Wish) -> Iterator[BoxRoot]:
    transport = connect(reach.login(reach.box()))
    try:
        yield BoxRoot(transport)
    finally:
        transport.close()


@contextlib.contextmanager
def saved_image(reference: str, ws: Workspace) -> Iterator[Path]:
    """As a file. Raises NotAvailable for what is neither here nor in the engine."""
    with ws.scratch("image") as scratch:
        saved = scratch / "saved.tar"
        try:
            with open_engine_image(reference.removeprefix(PREFIX)) as image:
                image.save(saved, ws=ws)
        except NotAvailable as err:
            msg = f"{reference}: neither a folder, a file nor an image of the local engine ({err.message})"
            raise NotAvailable(msg, "a box is written USER@HOST; `docker pull` brings an image.") from err
        yield saved
