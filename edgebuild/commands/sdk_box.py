"""An SDK that is installed on a box: the folders of it, fetched over SSH."""

from __future__ import annotations

import contextlib
import posixpath
import shutil
from collections.abc import Iterator, Sequence

from edgebuild.build.file_store import fetch_files, find_wanted, held_file
from edgebuild.build.sdk_choose import SdkWish, keeper
from edgebuild.build.sdk_open import Keep, Opened
from edgebuild.commands.fleet import Wish
from edgebuild.commands.sources import open_box
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.model.rootfile import RootFile
from edgebuild.workspace import Workspace


@contextlib.contextmanager
def fetched_from_box(source: str, reach: Wish, wish: SdkWish, ws: Workspace) -> Iterator[Opened]:
    """The folders of a box, as a root that has nothing else. What was here already is not sent again."""
    if not wish.paths:
        msg = f"{source}: which folder of the box is the SDK?"
        raise ConfigError(msg, "--path /opt/sdk, once for each folder.")
    with open_box(reach) as box, ws.scratch("box") as scratch:
        with ws.log.step(f"Listing {box.title}"):
            found = _with_targets(box.find([path.strip("/") for path in wish.paths]), keeper(wish))
            files = [each for each in found if not each.link]
            wanted = find_wanted(box, files, ws=ws)
        if wanted.unreadable:
            msg = f"{box.title}: /{wanted.unreadable[0]} and {len(wanted.unreadable) - 1} more may not be read there"
            raise NotAvailable(msg, "log in as somebody who may.")
        with ws.log.step(f"Receiving {wanted.size_bytes / 1e6:.1f} MB from {box.title}") as step:
            digests = fetch_files(box, wanted, ws=ws, told=step.progress).digests
        for each in found:
            place = scratch / each.path
            place.parent.mkdir(parents=True, exist_ok=True)
            if each.link:
                place.symlink_to(each.link)
            else:
                shutil.copyfile(held_file(digests[each.path], ws), place)
                place.chmod(0o755 if each.executable else 0o644)
        yield Opened(scratch, is_system=True)


def _with_targets(found: Sequence[RootFile], keep: Keep | None) -> list[RootFile]:
    """What is wanted by name, and what links among that lead to: the rest is not worth being sent."""
    by_path = {each.path: each for each in found}
    wanted = {each.path: each for each in found if keep is None or keep(each.path)}
    links = [each for each in wanted.values() if each.link]
    for link in links:  # grows while we walk it
        target = posixpath.normpath(posixpath.join(posixpath.dirname(link.path), link.link)).lstrip("/")
        if target in by_path and target not in wanted:
            wanted[target] = by_path[target]
            links.append(by_path[target])
    return list(wanted.values())
