"""Releases to deploy: of beat in several versions, and of the real runner; signed with a key of the tests' own."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.harness import ARM, REPOSITORY, edgebuild

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
        ended = edgebuild(*options, "release", "--target", target, "--key", self.key, "--json")
        return Path(ended.json()["path"])


def this_edgecore(workshop: Workshop, folder: Path) -> Path:
    """The runner as `make build` left it in out/, sealed in a folder of its own: a key of the tests' signs it."""
    edgebuild("build", "--target", ARM, timeout_s=_BUILD_S).succeed()
    shutil.copytree(REPOSITORY / "out" / ARM, folder / ARM)
    return workshop.seal("--out", folder)


def next_edgecore(workshop: Workshop, folder: Path, version: str) -> Path:
    """The runner built from a copy of this checkout that states a later version. Without wheels: boxes get none."""
    folder.mkdir(parents=True)
    for room in ("edgebuild", "cpp_core", "toolchains", "sysroots", "images"):
        shutil.copytree(REPOSITORY / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "CMakeUser*"))
    rewrite(folder / "cpp_core/CMakeLists.txt", r"(project\(edgecore VERSION )\S+", rf"\g<1>{version}")
    rewrite(folder / f"edgebuild/contracts/{ARM}.yaml", r"pythons:\n(  - .*\n)+", "pythons: []\n")
    env = {"PYTHONPATH": str(folder)}
    edgebuild("build", "--target", ARM, env=env, cwd=folder, timeout_s=_BUILD_S).succeed()
    sealed = edgebuild("release", "--target", ARM, "--key", workshop.key, "--json", env=env, cwd=folder)
    return Path(sealed.json()["path"])


def rewrite(file: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, file.read_text())
    assert count == 1, f"{file}: {count} places look like {pattern}"
    file.write_text(text)
