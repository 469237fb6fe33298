"""What vendors' libraries do to the process that they are loaded into must not reach who reads the runner.

The libraries here are the unit tests' fake modules (cpp_core/tests/unit/modules), which do it on purpose; the runner
is the one that ships.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Built
from tests.e2e.harness import Ended, call

DESCRIPTION = """\
model: model
input: {width_px: 4, height_px: 4, scale: 0.00390625}
head: {kind: yolov8}
labels: [thing]
"""
CORRUPT = 6


def fake_run(tree: Path, folder: Path, backend: str, words: str, *keys: str) -> tuple[str | Path, ...]:
    """The runner on three pictures, with a model file of these words. keys: of the description, beside the usual."""
    (folder / "pictures").mkdir()
    for index in range(3):
        (folder / "pictures" / f"{index}.jpg").write_text(f"4x4 {100 + index}")
    (folder / "model").write_text(words)
    (folder / "model.yaml").write_text(DESCRIPTION + "".join(f"{key}\n" for key in keys))
    pipeline = folder / "pipeline.yaml"
    pipeline.write_text(f"source: {{uri: pictures, decoder: {backend}}}\nmodel: model.yaml\nbackend: {backend}\n")
    return (tree / "bin" / "edgecore", "run", pipeline, "--backends", tree / "lib" / "edgecore-unit")


def run_fake(tree: Path, folder: Path, backend: str, words: str, *keys: str) -> Ended:
    return call(*fake_run(tree, folder, backend, words, *keys), timeout_s=60, cwd=folder)


def wait_until(happens: Callable[[], bool], limit_s: float = 20) -> None:
    end = time.monotonic() + limit_s
    while not happens():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def frames_of(ended: Ended) -> list[int]:
    assert ended.code == 0, ended.stderr
    return [json.loads(line)["frame"] for line in ended.stdout.splitlines()]


def test_a_vendors_chatter_never_reaches_the_results(native: Built, tmp_path: Path) -> None:
    ended = run_fake(native.tree, tmp_path, "chatty", "queue chatty")
    assert frames_of(ended) == [0, 1, 2]
    for said in ("loaded", "open_engine", "prepare", "submit", "wait"):
        assert f"[fake] {said}" in ended.stderr
        assert f"[fake] {said}" not in ended.stdout


def test_backends_are_one_document_whatever_they_print_when_loaded(native: Built) -> None:
    modules = native.tree / "lib" / "edgecore-unit"
    document = call(native.tree / "bin" / "edgecore", "backends", "--json", "--backends", modules, timeout_s=60).json()
    backends = {each["name"]: each for each in document["backends"]}
    assert backends["chatty"] == {"name": "chatty", "runtime": "Fake 1.0", "devices": 1}
    assert backends["old"]["code"] == "unsupported"
    assert "the module speaks version 0" in backends["old"]["error"]
    assert sorted(backends) == [path.stem.removeprefix("libedgecore-") for path in sorted(modules.glob("*.so"))]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("queue crashes", f"ended it with signal {signal.SIGSEGV.value}"),
        ("queue crashes-in-run", f"ended it with signal {signal.SIGSEGV.value}"),
        ("queue exits", "ended it with exit status 0"),
        ("queue headless", "expected a header, found none"),
    ],
)
def test_no_model_takes_the_runner_down(native: Built, tmp_path: Path, words: str, told: str) -> None:
    ended = run_fake(native.tree, tmp_path, "frail", words)
    assert ended.code == CORRUPT, ended.stderr
    assert ended.stderr.startswith(f"error: {tmp_path}/model: "), ended.stderr
    assert told in ended.stderr
    assert ended.stdout == ""


def test_sigterm_ends_a_runner_whose_unknown_model_hangs(native: Built, tmp_path: Path) -> None:
    command = fake_run(native.tree, tmp_path, "frail", "queue hangs")
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as runner:
        children = Path(f"/proc/{runner.pid}/task/{runner.pid}/children")
        wait_until(lambda: children.read_text().strip() != "")
        child = Path(f"/proc/{children.read_text().strip()}")
        runner.send_signal(signal.SIGTERM)
        assert runner.communicate(timeout=20) == (b"", b"")
        assert runner.returncode == 0
        assert not child.exists()


def test_an_unknown_model_is_tried_and_then_runs(native: Built, tmp_path: Path) -> None:
    assert frames_of(run_fake(native.tree, tmp_path, "frail", "queue")) == [0, 1, 2]


def test_a_model_of_another_sha256_is_refused_and_the_right_one_needs_no_trial(native: Built, tmp_path: Path) -> None:
    words = "queue crashes-in-run"  # a trial would end with this
    digest = hashlib.sha256(words.encode()).hexdigest()
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.mkdir()
    wrong.mkdir()
    assert frames_of(run_fake(native.tree, right, "frail", words, f"sha256: {digest}")) == [0, 1, 2]
    ended = run_fake(native.tree, wrong, "frail", words + " ", f"sha256: {digest}")
    assert ended.code == CORRUPT
    assert f"sha256: expected {digest}, found " in ended.stderr


def test_without_the_trial_program_an_unknown_model_is_refused(native: Built, tmp_path: Path) -> None:
    """Moved away in a copy: the tree is every test's."""
    tree = tmp_path / "tree"
    for folder in ("bin", "lib"):
        (tree / folder).mkdir(parents=True)
    (tree / "bin" / "edgecore").write_bytes((native.tree / "bin" / "edgecore").read_bytes())
    (tree / "bin" / "edgecore").chmod(0o755)
    for path in (native.tree / "lib").iterdir():
        if path.name != "edgecore":
            (tree / "lib" / path.name).symlink_to(path)
    ended = run_fake(tree, tmp_path, "frail", "queue")
    assert ended.code == 3, ended.stderr
    assert f"there is no {tree}/lib/edgecore/edgecore-try" in ended.stderr
    assert "hint: install it beside the backend modules" in ended.stderr
