"""Audits a range of inputs in one process that may use only so much memory and time, and tells what came of each.

Usage: python -m tests.fuzz.worker FOLDER FIRST STEP END. One JSON line on stdout for every input, before the next.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from io import StringIO
from pathlib import Path

MEMORY_BYTES = 1 << 30
CPU_S = 5.0
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# Audit events of what changes a file system -> positions of the paths. Source: Python docs, "Audit events table".
_CHANGES = {
    "os.mkdir": (0,), "os.link": (1,), "os.symlink": (1,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,),
    "os.chmod": (0,), "os.chown": (0,), "os.truncate": (0,), "os.utime": (0,),
}  # fmt: skip


class Guard:
    """Notices every attempt to change something outside of one folder, whether or not it would have worked."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self.outside: list[str] = []
        self._real: dict[str, str] = {}  # until a link may have changed what it is
        sys.addaudithook(self._seen)

    def _seen(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if (isinstance(flags, int) and flags & _WRITES) or (isinstance(mode, str) and set(mode) & set("wax+")):
                self._check(event, path)
        elif event in _CHANGES:
            if event in ("os.symlink", "os.rename"):
                self._real.clear()
            for position in _CHANGES[event]:
                self._check(event, arguments[position])

    def _check(self, event: str, path: object) -> None:
        """Removing trees goes by file descriptors: their paths are relative, and were checked when they were made."""
        if not isinstance(path, (str, bytes)) or path == os.devnull:
            return
        text = os.fsdecode(path)
        if event in ("os.remove", "os.rmdir") and not text.startswith("/"):
            return
        folder = os.path.dirname(text)  # noqa: PTH120
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        place = f"{self._real[folder]}/{os.path.basename(text)}"  # noqa: PTH119
        if not place.startswith((self.folder + os.sep, "/dev/")):
            self.outside.append(f"{event} {place}")


def main() -> None:
    folder = Path(sys.argv[1])
    first, step, end = (int(text) for text in sys.argv[2:])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    from edgebuild.audit.engine import audit
    from edgebuild.config.contracts import load_contract
    from edgebuild.errors import EdgebuildError
    from edgebuild.inputs import read_artifact
    from edgebuild.log import Log
    from edgebuild.workspace import Workspace
    from tests.fuzz.inputs import make

    ws = Workspace(cache=folder / "cache", out=folder / "out", project=folder / "project", log=Log(StringIO()))
    provided = load_contract("generic-arm64", ws)
    make(0)
    shutil.rmtree(ws.cache / "work", ignore_errors=True)  # of a process before us that the limits have ended
    guard = Guard(folder)
    for number in range(first, end, step):
        kind, name, content = make(number)
        path = folder / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        said: dict[str, object] = {"number": number, "kind": kind, "name": name}
        print(json.dumps({**said, "begun": True}), flush=True)
        signal.setitimer(signal.ITIMER_PROF, CPU_S)  # its signal ends the process, wherever it hangs
        begun = time.process_time()
        try:
            findings = audit(read_artifact(path, ws=ws, isa=True), provided)
            said["outcome"] = "refused" if any(each.refuses for each in findings) else "passes"
            json.dumps([each.message for each in findings]).encode()
        except EdgebuildError as err:
            said["outcome"] = type(err).__name__
            said["message"] = err.message[:300]
        except BaseException:
            said["outcome"] = "crash"
            said["message"] = traceback.format_exc()[-2000:]
        signal.setitimer(signal.ITIMER_PROF, 0)
        said["cpu_s"] = round(time.process_time() - begun, 3)
        said["memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        path.unlink()
        said["outside"], guard.outside = guard.outside, []
        work = ws.cache / "work"
        said["left"] = [each.name for each in work.iterdir()] if work.exists() else []
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
