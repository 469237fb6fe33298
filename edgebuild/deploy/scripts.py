"""What goes to a box beside the archive: facts, lists and the two scripts that start and ask the program. Pure.

`run` and `health.cmd` are words, not shell: everything is quoted, and only ${APP}, ${STATE} and ${RUN} mean something.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from edgebuild.errors import ConfigError, VerificationError
from edgebuild.model.project import HealthSpec, seconds
from edgebuild.model.release import Payload, Release
from edgebuild.model.target import ContainerSpec

STOP_S = 10  # what a program has between the polite signal and the other one
_URL_TIMEOUT_S = 5
_PLACE = re.compile(r"\$\{([^}]*)\}")
_ON_BOX = {name: f'"${{{name}}}"' for name in ("APP", "STATE", "RUN")}  # the box program sets these variables
_IN_IMAGE = {"APP": "/app", "STATE": "/state", "RUN": "/run"}


def members(release: Release, payload: Payload) -> dict[str, bytes]:
    """The small files of the stream that `receive` takes, by name, in their order."""
    return {
        "facts": render_facts(release, payload).encode(),
        "files": render_files(payload).encode(),
        "links": render_links(payload).encode(),
        "run": render_run(release, payload).encode(),
        "health": render_health(release, payload).encode(),
    }


def render_facts(release: Release, payload: Payload) -> str:
    """KEY='value' lines; the box program reads them as data."""
    health = release.health or HealthSpec()
    facts = {
        "FORMAT": payload.format,
        "NAME": release.name,
        "ARCHIVE_SHA256": payload.sha256,
        "TOP": payload.top,
        "UNPACKED_KB": str(-(-payload.unpacked_bytes // 1024)),
        "IMAGE_ID": payload.image_id,
        "HEALTH_TIMEOUT_S": str(whole_seconds(health.timeout)),
        "HEALTH_FOR_S": str(whole_seconds(health.for_)),
        "STOP_S": str(STOP_S),
    }
    return "".join(f"{key}={_quoted(value)}\n" for key, value in facts.items())


def render_files(payload: Payload) -> str:
    """As `sha256sum -c` reads it, paths below the installed tree."""
    return "".join(f"{each.sha256}  {_listable(each.path)}\n" for each in payload.files if not each.link)


def render_links(payload: Payload) -> str:
    return "".join(f"{_listable(each.path)}\t{_listable(each.link)}\n" for each in payload.files if each.link)


def render_run(release: Release, payload: Payload) -> str:
    """The program in the place of the shell, so that signals reach it."""
    words = split_words(release.run, "run")
    if payload.format == "tarball":
        return f'cd "${{APP}}" || exit 127\nexec {_command(words, _ON_BOX)}\n'
    program, *arguments = _image_words(words)
    # Host network: cameras are found by broadcast, and health.url is asked on the box, as for a tarball. The box
    # program has removed a container that was left over, and has given the state folder to the image's user.
    container = next((row.container for row in release.rows.values() if payload in row.payloads), None)
    given = ' "$@"' if container else ""
    return _of_the_box(container) + (
        f"exec docker run --rm --init --read-only --network host --tmpfs /tmp --tmpfs /run"
        f' -v "${{STATE}}:/state"{given} --name {container_name(release)}'
        f" --entrypoint {shlex.quote(program)} {payload.image_id} {shlex.join(arguments)}".rstrip()
        + "\n"
    )


def _of_the_box(container: ContainerSpec | None) -> str:
    """Puts the options for mounts, devices and their libraries into "$@".

    What is not there ends the start with a sentence: docker would make an empty folder on the box for a mount.
    """
    if container is None:
        return ""
    lines = ["set --"]
    for mount in container.mounts:
        place, *rest = mount.split(":")
        inside = rest[0] if rest and rest[0].startswith("/") else place
        mode = rest[-1] if rest and not rest[-1].startswith("/") else "rw"
        lines += [_require(place), f'set -- "$@" -v {place}:{inside}:{mode}']
    for pattern in container.devices:
        lines += [
            f"for each in {pattern}; do",
            f"""    {_require('"$each"')}""",
            '    set -- "$@" --device "$each"',
            "done",
        ]
    if container.library_path:
        lines.append(f'set -- "$@" -e LD_LIBRARY_PATH={":".join(container.library_path)}')
    return "".join(f"{line}\n" for line in lines)


def _require(place: str) -> str:
    return f"""[ -e {place} ] || {{ echo "the box has no "{place} >&2; exit 1; }}"""


def render_health(release: Release, payload: Payload) -> str:
    """Empty: nothing is asked, the program has to stay alive."""
    health = release.health
    if health is None or not (health.cmd or health.url):
        return ""
    if health.url:
        return _ask_url(health.url)
    words = split_words(health.cmd, "health.cmd")
    if payload.format == "tarball":
        return f'cd "${{APP}}" || exit 127\nexec {_command(words, _ON_BOX)}\n'
    return f"exec docker exec {container_name(release)} {shlex.join(_image_words(words))}\n"


def container_name(release: Release) -> str:
    return f"edgebuild-{release.name}"


def whole_seconds(duration: str) -> int:
    """Rounded up: a box's sh counts in whole seconds."""
    return -int(-seconds(duration) // 1)


def split_words(line: str, key: str) -> list[str]:
    """Raises ConfigError for what has no words, open quotes, or another ${...} than the three."""
    try:
        words = shlex.split(line)
    except ValueError as err:
        msg = f"{key}: {err}: {line}"
        raise ConfigError(msg) from err
    unknown = {name for word in words for name in _PLACE.findall(word)} - _ON_BOX.keys()
    if unknown or not words:
        msg = f"{key}: {f'unknown ${{{min(unknown)}}}' if unknown else 'there is no command'}: {line!r}"
        raise ConfigError(msg, "there are ${APP}, ${STATE} and ${RUN}.")
    return words


def _command(words: Sequence[str], places: Mapping[str, str]) -> str:
    return " ".join(_word(word, places) for word in words)


def _word(word: str, places: Mapping[str, str]) -> str:
    """ "a b${RUN}/x" -> 'a b'"${RUN}"/x: one word for the shell, whatever the variable holds."""
    text, *rest = _PLACE.split(word)
    pieces = [shlex.quote(text) if text or not rest else ""]
    for name, after in zip(rest[::2], rest[1::2], strict=True):
        pieces += [places[name], shlex.quote(after) if after else ""]
    return "".join(pieces)


def _image_words(words: Sequence[str]) -> list[str]:
    """Inside a container the places are fixed. A relative program is one of the installed tree."""
    program, *arguments = [_PLACE.sub(lambda match: _IN_IMAGE[match[1]], word) for word in words]
    if "/" in program and not program.startswith("/"):
        program = f"{_IN_IMAGE['APP']}/{program}"
    return [program, *arguments]


def _ask_url(url: str) -> str:
    place = shlex.quote(url)
    return (
        "if command -v wget >/dev/null 2>&1; then\n"
        f"    wget -q -T {_URL_TIMEOUT_S} -O /dev/null {place} || exit 1\n"
        "elif command -v curl >/dev/null 2>&1; then\n"
        f"    curl -fsS -m {_URL_TIMEOUT_S} -o /dev/null {place} || exit 1\n"
        "else\n"
        "    echo 'neither wget nor curl is on the box'\n"
        "    exit 1\n"
        "fi\n"
        f"echo {shlex.quote(f'{url} answers')}\n"
    )


def _quoted(value: str) -> str:
    """Always with quotes, unlike shlex.quote: the file is read by eye, too."""
    return "'" + value.replace("'", "'\\''") + "'"


def _listable(path: str) -> str:
    """The lists have a line per path, and sha256sum reads a backslash as an escape. Raises VerificationError."""
    if not path or any(letter in "\\\t" or not letter.isprintable() for letter in path):
        msg = f"{path!r}: a name that cannot stand in a list of files"
        raise VerificationError(msg, "rename it in the project.")
    return path
