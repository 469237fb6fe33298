"""A release: one signed manifest for all targets, and the archives that it describes."""

from __future__ import annotations

import msgspec

from edgebuild.model.project import Format, HealthSpec
from edgebuild.model.target import ContainerSpec

SCHEMA = "edgebuild.release/1"


class ReleaseFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of what lies on the box. A symlink has `link` and no sha256; folders are not listed."""

    path: str  # below the installed tree
    mode: str = ""  # "0755"
    sha256: str = ""
    size_bytes: int = 0
    link: str = ""


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One archive of a row.

    id: what it is called on a box, "0.1.0-3f2a91c04d5e"; equal ids mean equal bytes, run and health.
    files: what a tarball holds below its single top folder `top`, by path; for an image, none.
    unpacked_bytes: of a tarball's files; of an image's layers, unpacked.
    image: reference that `docker load` gives the image; image_id: its "sha256:..." of the config.
    """

    id: str
    format: Format
    archive: str  # file name beside release.json
    sha256: str
    size_bytes: int
    unpacked_bytes: int
    top: str = ""
    files: tuple[ReleaseFile, ...] = ()
    image: str = ""
    image_id: str = ""


class RowRelease(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a row's boxes get. needs: highest version node per family over all files, {"GLIBC": "2.28"}.

    container: what the row's image is given of the box.
    """

    target: str
    machine: str  # as `uname -m` prints it on the box
    needs: dict[str, str]
    payloads: tuple[Payload, ...]
    container: ContainerSpec | None = None

    def payload(self, kind: Format) -> Payload | None:
        return next((each for each in self.payloads if each.format == kind), None)


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """release.json. run, health: as in edgebuild.yaml. made_from: row -> digest of the artifact's plan."""

    schema: str = SCHEMA
    name: str
    version: str
    run: str
    health: HealthSpec | None
    rows: dict[str, RowRelease]
    made_from: dict[str, str]
