"""The unit suite's CPU time is its own, whatever runs beside it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).with_name("conftest.py")
BURN = """\
import time

def test_burn():
    end = time.process_time() + {seconds}
    while time.process_time() < end:
        pass
"""


def run_suite(folder: Path, limit_s: float) -> subprocess.CompletedProcess[str]:
    """A short one with this suite's conftest.py, beside tests of another folder that take longer."""
    for name, seconds in (("unit", 0.05), ("other", 0.5)):
        (folder / name).mkdir()
        (folder / name / f"test_{name}.py").write_text(BURN.format(seconds=seconds))
    text, places = re.subn(r"^CPU_LIMIT_S = [\d.]+", f"CPU_LIMIT_S = {limit_s}", CONFTEST.read_text(), flags=re.M)
    assert places == 1
    (folder / "unit" / "conftest.py").write_text(text)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "unit", "other"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_other_tests_of_the_same_run_do_not_count(tmp_path: Path) -> None:
    done = run_suite(tmp_path, 0.4)
    assert done.returncode == 0, done.stdout
    assert re.search(r"unit tests: 0\.[0-3] s of CPU", done.stdout), done.stdout


def test_a_suite_that_takes_more_fails(tmp_path: Path) -> None:
    done = run_suite(tmp_path, 0.01)
    assert done.returncode == 1 and "2 passed" in done.stdout
    assert "more than 0.01 s, and CONTRIBUTING.md promises seconds" in done.stdout
