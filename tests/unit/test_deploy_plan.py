"""What is asked of a box, refused to it, planned for it and written into its scripts: all without a box."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebuild.deploy.plan import Activate, PushProgram, Receive, plan
from edgebuild.deploy.preflight import Refusal, needed_bytes, pick_payload, pick_row, preflight
from edgebuild.deploy.probe import parse_state
from edgebuild.deploy.program import MARKER, Home, read_answer, verb_command
from edgebuild.deploy.scripts import members, render_facts, render_files, render_health, render_run, whole_seconds
from edgebuild.deploy.stream import stream_bytes, tar_stream
from edgebuild.deploy.transport import Reply
from edgebuild.errors import BoxError, ConfigError, VerificationError
from edgebuild.model.box import BoxState
from edgebuild.model.project import HealthSpec
from edgebuild.model.release import Payload, Release, ReleaseFile, RowRelease
from edgebuild.model.target import ContainerSpec

NEW = "1.1-0123456789ab"
TARBALL = Payload(
    id=NEW, format="tarball", archive="a.tar.gz", sha256="a" * 64, size_bytes=1000, unpacked_bytes=5000, top="beat",
    files=(
        ReleaseFile(path="bin/beat", mode="0755", sha256="b" * 64, size_bytes=1),
        ReleaseFile(path="lib/libx.so", link="libx.so.1"),
    ),
)  # fmt: skip
IMAGE = msgspec.structs.replace(TARBALL, format="image", top="", files=(), image_id="sha256:" + "c" * 64)
ROW = RowRelease(target="arm", machine="aarch64", needs={"GLIBC": "2.28"}, payloads=(IMAGE, TARBALL))
RELEASE = Release(
    name="beat", version="1.1", run="bin/beat run ${STATE}/site.yaml", health=HealthSpec(cmd="bin/beat health"),
    rows={"arm": ROW, "desk": msgspec.structs.replace(ROW, target="desk", machine="x86_64")}, made_from={},
)  # fmt: skip
GOOD_BOX = BoxState(
    machine="aarch64", glibc="2.31", user="root", free_bytes=10**9, writable=True, service="init",
    engine="docker 20.10.24", tool="t" * 64, current="1.0-old", releases=("1.0-old",), running=True,
)  # fmt: skip


def box(**changes: Any) -> BoxState:
    return msgspec.structs.replace(GOOD_BOX, **changes)


def test_a_good_box_is_not_refused() -> None:
    assert preflight(ROW, TARBALL, GOOD_BOX) == preflight(ROW, IMAGE, GOOD_BOX) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"machine": "x86_64"}, ("for aarch64", "is x86_64")),
        ({"glibc": "2.27"}, ("GLIBC_2.28", "has 2.27")),
        ({"glibc": ""}, ("no glibc",)),
        ({"missing": ("tar", "gzip")}, ("lacks tar, gzip",)),
        ({"free_bytes": 100}, ("33.6 MB", "0.0 MB are free")),
        ({"writable": False}, ("not writable for root",)),
        ({"service": "none"}, ("systemd",)),
        ({"busy": "412"}, ("under way", "412")),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_a_box_that_cannot_run_it_is_refused_with_the_reason(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    (refusal,) = preflight(ROW, TARBALL, box(**changes))
    assert all(word in refusal.reason for word in words), refusal


def test_an_image_needs_an_engine_and_not_the_box_s_own_c_library() -> None:
    assert preflight(ROW, IMAGE, box(glibc="2.17")) == ()
    (refusal,) = preflight(ROW, IMAGE, box(engine=""))
    assert "engine" in refusal.reason


def test_versions_are_compared_as_versions() -> None:
    assert preflight(ROW, TARBALL, box(glibc="2.9")) != ()


def test_every_reason_is_given_at_once() -> None:
    assert len(preflight(ROW, TARBALL, box(machine="armv7l", glibc="2.4", free_bytes=0))) == 3


def test_a_release_that_lies_there_needs_no_space() -> None:
    assert needed_bytes(TARBALL, box(releases=(NEW,))) == 0
    assert preflight(ROW, TARBALL, box(releases=(NEW,), free_bytes=0)) == ()


def test_auto_picks_the_row_by_machine_and_says_when_it_cannot() -> None:
    assert pick_row(RELEASE, "auto", GOOD_BOX) is ROW
    none = pick_row(RELEASE, "auto", box(machine="riscv64"))
    assert isinstance(none, Refusal) and "riscv64" in none.reason and "arm (aarch64)" in none.hint
    twins = msgspec.structs.replace(RELEASE, rows={"arm": ROW, "arm2": msgspec.structs.replace(ROW, target="arm2")})
    several = pick_row(twins, "auto", GOOD_BOX)
    assert isinstance(several, Refusal) and "arm, arm2" in several.reason
    assert pick_row(twins, "arm2", GOOD_BOX) is twins.rows["arm2"]


def test_the_tarball_is_the_default_payload() -> None:
    assert pick_payload(ROW, "") is TARBALL
    assert pick_payload(ROW, "image") is IMAGE
    assert isinstance(pick_payload(msgspec.structs.replace(ROW, payloads=(IMAGE,)), "tarball"), Refusal)


def test_plan_is_empty_only_when_the_box_runs_the_release_confirmed() -> None:
    running = {"current": NEW, "releases": (NEW,)}
    assert plan(TARBALL, box(**running, tool="old"), program_digest="t" * 64) == ()
    assert plan(TARBALL, box(**running, trial=f"{NEW} 1.0-old"), program_digest="t" * 64) == (Activate(NEW),)
    assert plan(TARBALL, box(**running, running=False), program_digest="t" * 64) == (Activate(NEW),)


def test_plan_sends_only_what_is_not_there() -> None:
    assert plan(TARBALL, GOOD_BOX, program_digest="x") == (PushProgram(), Receive(TARBALL), Activate(NEW))
    assert plan(TARBALL, box(releases=(NEW, "1.0-old")), program_digest="t" * 64) == (Activate(NEW),)


def test_the_probe_s_answer_becomes_a_state() -> None:
    text = (
        f"Welcome=to the box\n{MARKER}\nmachine=aarch64\nhome_free_kb=2\nwritable=yes\nmissing=\n"
        "releases=a b\nrunning=no\nservice=init\nhealth=fps=25 ok\n"
    )
    state = parse_state(read_answer(Reply(0, text), "box"), "box")
    assert state == BoxState(
        machine="aarch64", free_bytes=2048, writable=True, releases=("a", "b"), service="init", health="fps=25 ok"
    )


@pytest.mark.parametrize(
    "answer",
    ["machine=a\nmachine=b\n", "machine=a\nnoise\n", "machine=a\nwhat=b\n", "running=maybe\n", "service=runit\n", ""],
)
def test_an_answer_that_is_not_the_program_s_is_refused(answer: str) -> None:
    with pytest.raises(BoxError):
        parse_state(read_answer(Reply(0, f"{MARKER}\n{answer}"), "box"), "box")


def test_a_health_line_may_hold_what_python_takes_for_the_end_of_one() -> None:
    answer = read_answer(Reply(0, f"{MARKER}\noutcome=updated\nhealth=a\x0bb\x85c\u2028d\n"), "box")
    assert answer == {"outcome": "updated", "health": "a\x0bb\x85c\u2028d"}


def test_a_vendor_s_command_line_is_told_from_a_shell() -> None:
    with pytest.raises(BoxError, match=r"no POSIX shell.*Unknown command"):
        read_answer(Reply(0, "Unknown command.\n"), "box")


def test_commands_are_words_for_any_shell() -> None:
    command = verb_command("activate", Home("/data/my apps/beat", "sudo"), NEW)
    assert (
        command == f"echo {MARKER}; exec sudo -n -- sh '/data/my apps/beat/box.sh' activate '/data/my apps/beat' {NEW}"
    )


def test_facts_are_sourced_as_they_are_meant(tmp_path: Path) -> None:
    release = msgspec.structs.replace(RELEASE, health=HealthSpec(cmd="x", timeout="1500ms", for_="1m"))
    (tmp_path / "facts").write_text(render_facts(release, msgspec.structs.replace(TARBALL, top="it's; $(x)")))
    shell = '. ./facts; echo "$FORMAT|$NAME|$TOP|$UNPACKED_KB|$HEALTH_TIMEOUT_S|$HEALTH_FOR_S|$IMAGE_ID"'
    out = subprocess.run(["sh", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert out == "tarball|beat|it's; $(x)|5|2|60|\n"


def test_durations_are_rounded_up() -> None:
    assert [whole_seconds(text) for text in ("0s", "1ms", "90s", "1.5m", "1h")] == [0, 1, 90, 90, 3600]


def test_run_passes_words_untouched_and_the_three_places(tmp_path: Path) -> None:
    """Quotes, spaces, $ and ; are text; a place with a space in it stays one word."""
    program = tmp_path / "my app" / "bin" / "show"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\npwd\nfor word in "$@"; do echo "<$word>"; done\n')
    program.chmod(0o755)
    line = """bin/show ${STATE}/site.yaml 'a b;$(id)' --x="${RUN}/a b" '' $HOME a${APP}b${RUN}"""
    script = render_run(msgspec.structs.replace(RELEASE, run=line), TARBALL)
    env = {**os.environ, "APP": str(tmp_path / "my app"), "STATE": "/s t", "RUN": "/r"}
    done = subprocess.run(["sh"], input=script, env=env, capture_output=True, text=True, check=True)
    app = tmp_path / "my app"
    words = ["/s t/site.yaml", "a b;$(id)", "--x=/r/a b", "", "$HOME", f"a{app}b/r"]
    assert done.stdout.splitlines() == [str(app), *(f"<{word}>" for word in words)]


def test_an_image_runs_read_only_under_an_init_with_its_state() -> None:
    *_, start = render_run(RELEASE, IMAGE).splitlines()
    assert start == (
        "exec docker run --rm --init --read-only --network host --tmpfs /tmp --tmpfs /run"
        ' -v "${STATE}:/state" --name edgebuild-beat'
        f" --entrypoint /app/bin/beat {IMAGE.image_id} run /state/site.yaml"
    )
    assert render_health(RELEASE, IMAGE) == "exec docker exec edgebuild-beat /app/bin/beat health\n"


def test_a_container_gets_what_its_row_names_of_the_box_and_each_has_to_be_there(tmp_path: Path) -> None:
    container = ContainerSpec(
        mounts=("/usr:ro", "/usr/bin:/tools"),
        devices=("/dev/nul*", "/dev/zero"),
        library_path=("/tools/lib", "/usr/lib"),
    )
    row = msgspec.structs.replace(ROW, container=container)
    release = msgspec.structs.replace(RELEASE, rows={"arm": row})
    (tmp_path / "docker").write_text("#!/bin/sh\nprintf '%s ' \"$@\"\n")
    (tmp_path / "docker").chmod(0o755)

    def start(release: Release) -> tuple[int, str]:
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "STATE": "/s t"}
        script = render_run(release, IMAGE)
        done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    code, said = start(release)
    options = " -v /s t:/state -v /usr:/usr:ro -v /usr/bin:/tools:rw --device /dev/null --device /dev/zero"
    options += " -e LD_LIBRARY_PATH=/tools/lib:/usr/lib --name "
    assert code == 0 and options in said and f"{IMAGE.image_id} run /state/site.yaml" in said
    for missing in (ContainerSpec(mounts=("/none:ro",)), ContainerSpec(devices=("/dev/none*",))):
        row = msgspec.structs.replace(ROW, container=missing)
        code, said = start(msgspec.structs.replace(release, rows={"arm": row}))
        assert code == 1 and said in ("the box has no /none\n", "the box has no /dev/none*\n")


@pytest.mark.parametrize("line", ["", "a 'b", "run ${HOME}/x", "run ${}"])
def test_a_command_line_that_means_something_else_is_refused(line: str) -> None:
    with pytest.raises(ConfigError):
        render_run(msgspec.structs.replace(RELEASE, run=line), TARBALL)


def test_no_health_is_an_empty_script() -> None:
    assert render_health(msgspec.structs.replace(RELEASE, health=None), TARBALL) == ""


def test_a_url_is_asked_with_what_the_box_has(tmp_path: Path) -> None:
    health = HealthSpec(url="http://127.0.0.1:1/a?b='c'")
    script = render_health(msgspec.structs.replace(RELEASE, health=health), TARBALL)
    for tool in ("wget", "curl"):
        tools = tmp_path / tool
        tools.mkdir()
        (tools / tool).write_text(f'#!/bin/sh\nfor last; do :; done\necho "{tool} $last" >&2\n')
        (tools / tool).chmod(0o755)
        done = subprocess.run(
            ["/bin/sh"], input=script, env={"PATH": str(tools)}, capture_output=True, text=True, check=True
        )
        assert done.stderr == f"{tool} {health.url}\n"
        assert done.stdout == f"{health.url} answers\n"
    done = subprocess.run(["/bin/sh"], input=script, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode == 1


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\\b", ""])
def test_a_name_that_a_list_cannot_hold_is_refused(name: str) -> None:
    payload = msgspec.structs.replace(TARBALL, files=(ReleaseFile(path=name, sha256="b" * 64),))
    with pytest.raises(VerificationError):
        render_files(payload)


def test_the_stream_is_a_tar_of_exactly_the_promised_size(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(os.urandom(300_001))
    small = members(RELEASE, TARBALL)
    told: list[int] = []
    data = b"".join(tar_stream(small, archive, 300_001, sent=told.append))
    assert len(data) == stream_bytes(small, 300_001) == told[-1]
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["facts", "files", "links", "run", "health", "archive"]
        file = tar.extractfile("archive")
        assert file is not None and file.read() == archive.read_bytes()


def test_an_archive_that_shrinks_under_way_is_noticed(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(b"x" * 10)
    with pytest.raises(VerificationError, match="shorter"):
        list(tar_stream({}, archive, 11, sent=lambda _: None))
