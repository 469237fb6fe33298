"""A release is sealed: built artifacts of several rows become one folder with one signature over everything in it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from edgebuild.digest import digest_of, sha256_file
from edgebuild.errors import ConfigError, NotAvailable
from edgebuild.model.elf import parse_version
from edgebuild.model.product import Artifact, Product
from edgebuild.model.project import Format, Project, command_words
from edgebuild.model.release import Payload, Release, RowRelease
from edgebuild.model.target import ContainerSpec
from edgebuild.package.contents import image_unpacked_bytes, read_tarball, require_bytes
from edgebuild.package.release import MANIFEST, RELEASES, SIGNATURE, VERSION, canonical, payload_id, verify_folder
from edgebuild.package.sign import SigningKey
from edgebuild.workspace import Workspace

_FORMATS: tuple[Format, ...] = ("tarball", "image")


def describe(
    project: Project,
    artifacts: Sequence[Artifact],
    *,
    version: str,
    out: Path,
    containers: Mapping[str, ContainerSpec | None] | None = None,
) -> Release:
    """The manifest of these artifacts' tarballs and images, which are read for it.

    version: what the release is called. out: folder of the rows' folders. containers: of rows that have one.
    Equal inputs give equal manifests.
    Raises ConfigError, NotAvailable, VerificationError.
    """
    if not VERSION.fullmatch(version):
        msg = f"version '{version}': a release's version has letters, digits and .+_- only, 64 at most"
        raise ConfigError(msg)
    rows = {}
    for artifact in sorted(artifacts, key=lambda each: each.target):
        if artifact.name != project.name:
            msg = f"{artifact.target}: what lies in {out / artifact.target} is '{artifact.name}', not '{project.name}'"
            raise ConfigError(msg, f"`edgebuild build --target {artifact.target}` builds this project.")
        rows[artifact.target] = _describe_row(
            project, artifact, version, out / artifact.target, (containers or {}).get(artifact.target)
        )
    names = [payload.archive for row in rows.values() for payload in row.payloads]
    if twice := {name for name in names if names.count(name) > 1}:
        msg = f"two rows have an archive of the same name: {', '.join(sorted(twice))}"
        raise ConfigError(msg)
    return Release(
        name=project.name,
        version=version,
        run=project.run,
        health=project.health,
        rows=rows,
        made_from={artifact.target: artifact.plan for artifact in sorted(artifacts, key=lambda each: each.target)},
    )


def seal(release: Release, key: SigningKey, *, ws: Workspace) -> Path:
    """out/releases/NAME-VERSION: manifest, signature and archives. It appears whole or not at all.

    The archives are copies, because a hard link would change with whatever writes into out/ROW later. What lies
    there already and is the same, stays; a release of the same version with other bytes makes way.
    Raises VerificationError.
    """
    place = ws.out / RELEASES / f"{release.name}-{release.version}"
    texts = {MANIFEST: canonical(release)}
    texts[SIGNATURE] = key.sign(texts[MANIFEST])
    with ws.lock(f"release-{digest_of(str(place))[:16]}"):
        if _is_there(place, texts, release):
            return place
        with _appearing(place) as fresh:
            for target, row in release.rows.items():
                for payload in row.payloads:
                    shutil.copyfile(ws.out / target / payload.archive, fresh / payload.archive)
            for name, text in texts.items():
                (fresh / name).write_bytes(text)
            verify_folder(fresh, (key.public,))  # what could not be opened again never appears
    return place


def _describe_row(
    project: Project, artifact: Artifact, version: str, folder: Path, container: ContainerSpec | None
) -> RowRelease:
    payloads = []
    for kind in _FORMATS:
        for product in (each for each in artifact.products if each.kind == kind):
            given = container if kind == "image" else None
            identity = payload_id(version, product.sha256, project.run, project.health, given)
            payload = _describe_payload(product, kind, identity, folder)
            if kind == "tarball":
                _require_programs(project, payload)
            payloads.append(payload)
    if not payloads:
        msg = f"{folder}: holds neither a tarball nor an image of '{artifact.target}'"
        raise NotAvailable(msg, f"`edgebuild build --target {artifact.target}` makes them.")
    return RowRelease(
        target=artifact.target,
        machine=artifact.arch,
        needs=_highest(artifact),
        payloads=tuple(payloads),
        container=container,
    )


def _describe_payload(product: Product, kind: Format, identity: str, folder: Path) -> Payload:
    path = folder / product.path
    require_bytes(path, sha256=product.sha256, size_bytes=product.size_bytes)
    contents = read_tarball(path) if kind == "tarball" else None
    return Payload(
        id=identity,
        format=kind,
        archive=product.path,
        sha256=product.sha256,
        size_bytes=product.size_bytes,
        unpacked_bytes=contents.unpacked_bytes if contents else image_unpacked_bytes(path),
        top=contents.top if contents else "",
        files=contents.files if contents else (),
        image=product.image,
        image_id=product.image_id,
    )


def _require_programs(project: Project, payload: Payload) -> None:
    """What `run` and `health.cmd` say now is in what was built before. Raises ConfigError."""
    files = {each.path: each for each in payload.files}
    commands = {"run": project.run, "health.cmd": project.health.cmd if project.health else ""}
    for key, command in commands.items():
        if not (words := command_words(command)):
            continue
        place = PurePosixPath(words[0].removeprefix("${APP}/"))
        if any(str(each) in files and files[str(each)].link for each in (place, *place.parents)):
            continue  # behind a link, which the archive's check has followed
        program = files.get(str(place))
        if program is None or not int(program.mode, 8) & 0o100:
            msg = f"edgebuild.yaml: {key}: {payload.archive} has no program '{words[0]}'"
            raise ConfigError(msg, "if edgebuild.yaml has changed since the target was built, build it again.")


def _highest(artifact: Artifact) -> dict[str, str]:
    """Highest version per family of nodes over all files. A family without numbers has ""."""
    highest: dict[str, str] = {}
    for versions in artifact.abi.values():
        for family, version in versions.items():
            highest[family] = max(version, highest.get(family, ""), key=lambda text: parse_version(text or "0"))
    return dict(sorted(highest.items()))


def _is_there(place: Path, texts: dict[str, bytes], release: Release) -> bool:
    paths = {payload.archive: payload.sha256 for row in release.rows.values() for payload in row.payloads}
    return all(
        (place / name).is_file() and (place / name).read_bytes() == text for name, text in texts.items()
    ) and all((place / name).is_file() and sha256_file(place / name) == sha256 for name, sha256 in paths.items())


@contextlib.contextmanager
def _appearing(place: Path) -> Iterator[Path]:
    """A folder beside `place` that takes its name when the block has ended well; an old one makes way then."""
    fresh, old = (place.with_name(f".{place.name}.{kind}") for kind in ("new", "old"))
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        if place.exists():
            place.rename(old)
        fresh.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
