"""Deploying in tests: through the command line, to emulated boxes, with what the box itself has to say about it."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.boxes import Box
from tests.e2e.harness import Ended, edgebuild

ROOT = "/var/lib/edgebuild"


def reach(box: Box, *, port: int = 0, address: str = "") -> list[str | Path]:
    """The words that make edgebuild find a box, believe its host key and log in."""
    where = f"root@{address or box.address}:{port or box.port}"
    return [where, "--key", box.client_key, "--known-hosts", box.known_hosts]


def deploy(box: Box, release: Path, trusted: Path, *options: str | Path, timeout_s: float = 300) -> Ended:
    words = ["deploy", *reach(box), "--release", release, "--trusted", trusted, "--json", *options]
    return edgebuild(*words, timeout_s=timeout_s)


def result_of(ended: Ended) -> dict[str, Any]:
    """The one box's BoxResult."""
    (result,) = results_of(ended)
    return result


def results_of(ended: Ended) -> list[dict[str, Any]]:
    assert ended.stdout, f"exit {ended.code}\n{ended.stderr}"
    document = json.loads(ended.stdout)
    assert document["schema"] == "edgebuild.deploy/1"
    return list(document["boxes"])


@dataclass(frozen=True)
class Home:
    """One application's folder on a box, read from outside."""

    box: Box
    name: str

    def path(self, inside: str = "") -> Path:
        return self.box.path(f"{ROOT}/{self.name}/{inside}")

    def current(self) -> str:
        """Release id, "" when there is none."""
        link = self.path("current")
        return link.readlink().name if link.is_symlink() else ""

    def seed(self, *files: Path) -> None:
        """What an installer leaves in the box's own folder before the first release."""
        state = self.path("state")
        state.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, state)

    def assert_complete(self, release: Path) -> None:
        """Every file of what `current` points to is the one that the release's signed manifest describes."""
        document = json.loads((release / "release.json").read_text())
        (row,) = document["rows"].values()
        current = self.current()
        payload = next((each for each in row["payloads"] if each["id"] == current), None)
        assert payload, f"{current} is current, which is none of {release.name}"
        tree = self.path(f"releases/{current}/tree")
        there = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if not path.is_dir()}
        assert there == {each["path"] for each in payload["files"]}
        for each in payload["files"]:
            if "sha256" in each:
                assert sha256((tree / each["path"]).read_bytes()).hexdigest() == each["sha256"], each["path"]

    def fingerprint(self) -> dict[str, str]:
        """Everything of the application that must not change when a deployment is refused."""
        kept = ("current", "previous", "releases", "state", "trial")
        found = {}
        for path in sorted(self.path().rglob("*")) if self.path().is_dir() else ():
            inside = path.relative_to(self.path()).as_posix()
            if inside.split("/")[0] in kept and not path.is_dir():
                content = str(path.readlink()) if path.is_symlink() else sha256(path.read_bytes()).hexdigest()
                found[inside] = content
        return found

    def beat(self) -> tuple[str, int]:
        """(version, count) that beat wrote last. Waits for a start that is under way."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            answer = self.box.run(f"cat {ROOT}/{self.name}/run/status 2>/dev/null")
            if words := answer.stdout.split():
                return words[0], int(words[1])
            time.sleep(0.2)
        raise AssertionError(f"{self.box.name}: beat writes nothing\n{self.box.console.read_text()[-2000:]}")

    def assert_beats(self, *versions: str) -> str:
        """Beat runs in one of these versions, now and half a second later. Gives the version."""
        version, count = self.beat()
        assert version in versions
        time.sleep(0.5)
        again, later = self.beat()
        assert (again, later > count) == (version, True), f"{version} {count} -> {again} {later}"
        return version
