"""What really happens: the loader, or Python, of a root tries an artifact under emulation.

What was seen is kept in the user's cache by everything that decides it; EDGEBUILD_TRUTH_FRESH=1 tries all again.
"""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import msgspec

from edgebuild.digest import digest_of, sha256_file
from edgebuild.errors import BuildError
from edgebuild.run import Command, run
from edgebuild.workspace import Workspace, write_atomic
from tests.truth.artifacts import Artifact, Trial
from tests.truth.roots import Root

IMPORTER = Path(__file__).with_name("importer.py")
_TIMEOUT_S = 120.0
# Counts up when the same outcome is read differently.
_READING = 1
# How a refusal looks: of the loader at the start of a program, of dlopen (through the opener), of an import, and of the
# emulator in place of the kernel, which finds no loader or no program of its machine.
_REFUSAL = re.compile(
    r"error while loading shared libraries: .*|.*: version `.*' not found .*|.*symbol lookup error: .*"
    r"|.*: relocation error: .*|^dlopen: .*|^\w*(?:ImportError|ModuleNotFoundError|OSError): .*|FATAL: kernel too old"
    r"|Could not open '.*': No such file or directory|.*Invalid ELF image for this architecture"
    r"|^ImportError: .*|^SystemError: .*|.*loading executable: .*|^Inconsistency detected by ld.so: .*",
    re.MULTILINE,
)


class Observed(msgspec.Struct, frozen=True):
    """loads: None where the outcome is neither of both. says: the first words of a refusal, or how it ended."""

    loads: bool | None
    says: str = ""


def observe(artifact: Artifact, root: Root, opener: Path, *, ws: Workspace) -> Observed:
    """Every trial of the artifact, up to the first that fails."""
    place = place_of(artifact, root, opener, ws)
    if place.is_file() and not os.environ.get("EDGEBUILD_TRUTH_FRESH"):
        return msgspec.json.decode(place.read_bytes(), type=Observed)
    seen = Observed(True)
    for trial in artifact.trials:
        seen = _try(trial, artifact, root, opener)
        if not seen.loads:
            break
    write_atomic(place, msgspec.json.encode(seen))
    return seen


def place_of(artifact: Artifact, root: Root, opener: Path, ws: Workspace) -> Path:
    """Where it is kept what was seen."""
    return ws.cache / "testdata" / "truth" / f"{_key(artifact, root, opener)}.json"


def _key(artifact: Artifact, root: Root, opener: Path) -> str:
    """Of every byte and word that goes in; folders differ between machines and don't count."""
    commands = [_command(trial, artifact, root, opener) for trial in artifact.trials]
    folders = {
        str(artifact.folder): "ARTIFACT",
        str(root.sysroot.root): "ROOT",
        root.prefix[-1]: "RUN",
        str(opener): "O",
    }
    folders |= {str(path): digest for path, digest in artifact.beside.values()} | {str(IMPORTER): "IMPORTER"}
    text = json.dumps([[list(command.argv), _own_env(command)] for command in commands])
    for folder, name in sorted(folders.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(folder, name)
    return digest_of([_READING, artifact.digest, root.digest, sha256_file(opener), sha256_file(IMPORTER), text])


def _own_env(command: Command) -> dict[str, str]:
    return {name: value for name, value in command.env.items() if value is not None}


def _command(trial: Trial, artifact: Artifact, root: Root, opener: Path) -> Command:
    target = str(artifact.folder / trial.what)
    env = {"LD_BIND_NOW": "1", "LC_ALL": "C"}
    if artifact.library_path:
        env["LD_LIBRARY_PATH"] = ":".join(str(artifact.folder / folder) for folder in artifact.library_path)
    match trial.kind:
        case "start":
            argv = (target, *trial.arguments)
        case "script":
            # Its interpreter reads the whole of it and does nothing: what it would call is not in question.
            (interpreter,) = trial.arguments
            only_read = "-c" if interpreter.endswith("perl") else "-n"
            argv = (f"{root.sysroot.root}{interpreter}", only_read, target)
        case "open":
            argv = (str(opener), target)
        case "import":
            argv = (str(root.interpreter), "-S", "-s", str(IMPORTER), trial.what, str(artifact.folder))
            beside = artifact.beside.get(f"cp{root.python.replace('.', '')}")
            path = [artifact.folder] + ([beside[0]] if beside else [])
            env |= {
                "PYTHONHOME": str(root.sysroot.root / "usr"),
                "PYTHONPATH": ":".join(map(str, path)),
                "PYTHONDONTWRITEBYTECODE": "1",
            }
    nothing_else = dict.fromkeys(os.environ)
    return Command(*root.prefix, *argv, env={**nothing_else, **env}, cwd=artifact.folder, timeout_s=_TIMEOUT_S)


def _try(trial: Trial, artifact: Artifact, root: Root, opener: Path) -> Observed:
    if trial.kind == "script" and not Path(f"{root.sysroot.root}{trial.arguments[0]}").is_file():
        return Observed(
            False, f"{trial.what}: {trial.arguments[0]}: No such file"
        )  # as execve: the emulator says nothing
    try:
        done = run(_command(trial, artifact, root, opener), check=False)
    except BuildError as err:
        return Observed(None, err.message)
    refusals = _REFUSAL.findall(done.stderr)
    if done.returncode == 0 and not refusals:
        return Observed(True)
    if refusals and done.returncode > 0:
        return Observed(False, _placeless(refusals[-1], artifact, root))
    if done.returncode < 0:
        return Observed(False, f"{trial.what}: {signal.Signals(-done.returncode).name}")
    ended = f"{trial.what}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}"
    return Observed(None, _placeless(ended, artifact, root))


def _placeless(text: str, artifact: Artifact, root: Root) -> str:
    places = {str(artifact.folder): "", str(root.sysroot.root): f"{root.name}:", root.prefix[-1]: f"{root.name}:"}
    for place, name in places.items():
        text = text.replace(place, name)
    return text.strip()
