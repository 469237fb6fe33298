"""How the box program (box.sh) is called: command lines for it, and its answers read strictly.

A login may print a banner, and a shell may be none: every command says a marker first, and only what follows counts.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from edgebuild.deploy.transport import Reply
from edgebuild.errors import BoxError
from edgebuild.model.box import Become

Verb = Literal["probe", "receive", "activate", "rollback", "stop", "start"]
MARKER = "@edgebuild"
NO_SPACE, NOT_VERIFIED, BUSY, NOT_HEALTHY, NO_RELEASE, NO_SERVICE = range(10, 16)

# In this order one program; a shell has read all of it before the last line starts it.
_PARTS = ("head", "state", "receive", "switch", "supervise", "service", "main")
_FOLDER = Path(__file__).with_name("box")
_MEANING = {
    NO_SPACE: ("not enough space on the box", "free some, or name another folder with --root."),
    NOT_VERIFIED: ("the box received something else than was signed", "run it again; nothing was switched."),
    BUSY: ("another deployment is under way there", "`edgebuild status` says whose; run it again afterwards."),
    NOT_HEALTHY: (
        "the release was not healthy, so the box keeps what it had",
        "log/app.log in the application's folder there says more.",
    ),
    NO_RELEASE: ("there is no such release on the box", ""),
    NO_SERVICE: ("the box's service manager or container engine failed", ""),
}


@dataclass(frozen=True)
class Home:
    """Where an application lives on a box, and as whom its program runs. folder: ROOT/NAME."""

    folder: str
    become: Become = ""


@cache
def program() -> bytes:
    """box.sh: one file, so that it is put in its place in one step."""
    return b"\n".join((_FOLDER / f"{part}.sh").read_bytes() for part in _PARTS)


@cache
def program_digest() -> str:
    return hashlib.sha256(program()).hexdigest()


def probe_command(home: Home) -> str:
    """The program comes on stdin, so a box needs nothing beforehand and keeps nothing afterwards."""
    return _marked(home, f"sh -s -- probe {shlex.quote(home.folder)}")


def push_command(home: Home) -> str:
    """Puts the program, which comes on stdin, in its place: whole or not at all."""
    place = f"{home.folder}/box.sh"
    script = (
        f"umask 022 && mkdir -p {shlex.quote(home.folder)} && place={shlex.quote(place)} && new=$place.$$ && "
        f"""cat > "$new" && [ "$(sha256sum < "$new")" = '{program_digest()}  -' ] && sync && """
        """mv -f "$new" "$place" && sync || { rm -f "$new"; exit 1; }"""
    )
    return _marked(home, f"sh -c {shlex.quote(script)}")


def verb_command(verb: Verb, home: Home, *arguments: str) -> str:
    return _marked(home, shlex.join(["sh", f"{home.folder}/box.sh", verb, home.folder, *arguments]))


def read_answer(reply: Reply, address: str) -> dict[str, str]:
    """key=value lines behind the marker, whatever the exit code was. Raises BoxError."""
    _, marker, answer = reply.stdout.partition(f"{MARKER}\n")
    if not marker:
        seen = " ".join((reply.stdout + reply.stderr).split())[:200]
        msg = f"{address}: no POSIX shell answered there" + (f", but: {seen}" if seen else "")
        raise BoxError(msg, "the login needs sh as its shell; a vendor's command line has to be left first.")
    values: dict[str, str] = {}
    for line in answer.rstrip("\n").split("\n") if answer else ():  # a program's words may hold what else ends a line
        key, equals, value = line.partition("=")
        if not equals or not key.isidentifier() or key in values:
            msg = f"{address}: the box program answered with a line that is none of its own: {line[:120]!r}"
            raise BoxError(msg, "something on the box (a profile, a wrapper of sh) writes into it.")
        values[key] = value
    return values


def failure(reply: Reply, address: str) -> BoxError:
    """What an exit code says, with the last words of the box."""
    meaning, hint = _MEANING.get(reply.code, (f"the box program failed (exit {reply.code})", ""))
    words = [line.strip().removeprefix("box: ") for line in reply.stderr.splitlines() if line.strip()]
    return BoxError(f"{address}: {meaning}" + (f": {words[-1]}" if words else ""), hint)


def _marked(home: Home, command: str) -> str:
    # -n: sudo fails rather than ask for a password, for which there is nobody.
    return f"echo {MARKER}; exec {'sudo -n -- ' if home.become == 'sudo' else ''}{command}"
