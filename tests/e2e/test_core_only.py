"""A machine without a distribution's packages still builds the runner and the backend modules."""

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.harness import NATIVE, edgebuild


@pytest.fixture(scope="module")
def without_apt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which no distribution tool and no make can be found."""
    programs = tmp_path_factory.mktemp("bin")
    for name in ("sh", "env", "uname", "rm", "mkdir", "cat", "test", "expr", "sed", "grep"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    return {"PATH": str(programs)}


def test_the_core_builds_and_answers_without_apt(tmp_path: Path, without_apt: dict[str, str]) -> None:
    out = ("--out", tmp_path / "out")
    document = edgebuild(
        *out, "build", "--target", NATIVE, "--core-only", "--json", timeout_s=1800, env=without_apt
    ).json()
    (manifest,) = document["artifacts"]
    assert [each["kind"] for each in manifest["products"]] == ["tarball", "debug"]

    backends = edgebuild(*out, "run", "--target", NATIVE, "--", "bin/edgecore", "backends", timeout_s=60)
    assert backends.code == 0, backends.stderr
    assert json.loads(backends.stdout)["name"] == "cpu"


def test_doctor_says_what_is_missing_and_what_still_works(without_apt: dict[str, str]) -> None:
    ended = edgebuild("doctor", "--json", timeout_s=60, env=without_apt)
    assert ended.code == 3
    missing = {each["need"]: each for each in json.loads(ended.stdout)["checks"] if not each["found"]}
    assert "--core-only" in missing["apt with a Debian mirror"]["without"]
    assert "make" in missing
    assert all(each["remedy"] for each in missing.values())
    assert "Traceback" not in ended.stderr
