"""Releases to deploy: of beat in several versions, and of the real runner; signed with a key of the tests' own."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.harness import ARM, REPOSITORY, Ended, edgebuild

_BEAT = REPOSITORY / "tests" / "beat"
_BUILD_S = 3600  # the first build of a machine warms the compiler


@dataclass(frozen=True)
class Workshop:
    """A project folder with a signing key, in which releases of beat are made. The key signs for others too."""

    folder: Path

    @property
    def key(self) -> Path:
        return self.folder / "signing.key"

    @property
    def trusted(self) -> Path:
        return self.folder / "trusted_keys"

    @staticmethod
    def open(folder: Path) -> Workshop:
        shutil.copytree(_BEAT, folder)
        workshop = Workshop(folder)
        edgebuild("-C", folder, "key", "generate", "--out", workshop.key).succeed()
        return workshop

    def release(self, version: str, *, well: bool = True, target: str = ARM, formats: tuple[str, ...] = ()) -> Path:
        """beat of a version, built, audited and sealed for a row. well: whether its health check can pass."""
        text = (_BEAT / "edgebuild.yaml").read_text()
        variables = f'{{BEAT_VERSION: "{version}", BEAT_WELL: "{"ON" if well else "OFF"}"}}'
        text = text.replace('"1.0.0"', f'"{version}"').replace(ARM, target)
        (self.folder / "edgebuild.yaml").write_text(text + f"source: {{cmake: ., variables: {variables}}}\n")
        wish = [word for each in formats for word in ("--format", each)]
        edgebuild("-C", self.folder, "build", "--target", target, *wish, timeout_s=_BUILD_S).succeed()
        return self.seal("-C", self.folder, target=target)

    def seal(self, *options: str | Path, target: str = ARM) -> Path:
        """Signs what lies in a project's out/; the folder of the release."""
        ended = edgebuild(*options, "release", "--target", target, "--key", self.key, "--json").succeed()
        return Path(json.loads(ended.stdout)["path"])


def edgecore_release(workshop: Workshop, folder: Path, version: str) -> Path:
    """The real runner for arm64. A version other than the checkout's is built from a copy that states it."""
    lists = REPOSITORY / "cpp_core" / "CMakeLists.txt"
    folder.mkdir(parents=True)
    for room in ("edgebuild", "cpp_core", "toolchains", "sysroots", "images"):
        shutil.copytree(REPOSITORY / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "CMakeUser*"))
    text = lists.read_text()
    assert "project(edgecore VERSION 0.1.0" in text
    stated = text.replace("project(edgecore VERSION 0.1.0", f"project(edgecore VERSION {version}")
    (folder / "cpp_core" / "CMakeLists.txt").write_text(stated)
    shutil.copy(workshop.trusted, folder)
    env = {"PYTHONPATH": str(folder)}

    def call(*words: str | Path) -> Ended:
        return edgebuild(*words, env=env, cwd=folder, timeout_s=_BUILD_S).succeed()

    call("build", "--target", ARM)
    sealed = call("release", "--target", ARM, "--key", workshop.key, "--json")
    return Path(json.loads(sealed.stdout)["path"])
