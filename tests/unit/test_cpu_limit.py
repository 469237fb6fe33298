"""The unit suite's CPU time is its own, whatever runs beside it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

BURN = """\
import time

def test_burn():
    end = time.process_time() + {seconds}
    while time.process_time() < end:
        pass
"""


def told_s(folder: Path) -> float:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "unit", "other"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    found = re.search(r"unit tests: ([\d.]+) s of CPU", done.stdout)
    assert found, done.stdout
    return float(found[1])


def test_other_tests_of_the_same_run_do_not_count(tmp_path: Path) -> None:
    for name, seconds in (("unit", 0.05), ("other", 0.5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"test_{name}.py").write_text(BURN.format(seconds=seconds))
    (tmp_path / "unit" / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    assert 0 < told_s(tmp_path) < 0.4
