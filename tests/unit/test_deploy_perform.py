"""One box from the first question to its result, against a box that is a short program in this process."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebuild.deploy import perform
from edgebuild.deploy.perform import Order, deploy_one, preview_one, roll_back_one
from edgebuild.deploy.program import MARKER, Home, program, program_digest
from edgebuild.deploy.transport import ConnectionLost, Reply
from edgebuild.errors import BoxPending, VerificationError
from edgebuild.log import Log
from edgebuild.model.box import BoxResult, BoxSpec
from edgebuild.model.release import Payload, Release, RowRelease

NEW, OLD = "1.1-new", "1.0-old"
SPEC = BoxSpec(id="shop", address="box", target="auto")
HOME = Home("/data/beat")
ARCHIVE = bytes(range(256)) * 40


@dataclass
class FakeBox:
    """Answers as box.sh does. `cut`: verbs whose answer is lost, each once: "before" or "after" it was done."""

    current: str = OLD
    previous: str = ""
    releases: list[str] = field(default_factory=lambda: [OLD])
    tool: str = ""
    running: str = "yes"
    machine: str = "aarch64"
    busy: str = ""
    well: bool = True
    received: bytes = b""
    calls: list[str] = field(default_factory=list)
    cut: dict[str, str] = field(default_factory=dict)
    off: bool = False
    codes: dict[str, int] = field(default_factory=dict)
    address: str = "root@box"

    def connect(self) -> FakeBox:
        self.calls.append("connect")
        if self.off:
            raise BoxPending("box: not reachable")
        return self

    def close(self) -> None:
        self.calls.append("close")

    def call(self, command: str, *, stdin: bytes | Iterable[bytes] | None = None, timeout_s: float = 0) -> Reply:
        marker, _, rest = command.partition("; exec ")
        assert marker == f"echo {MARKER}"
        data = b"".join([stdin] if isinstance(stdin, bytes) else stdin or ())
        verb = "push" if "mkdir" in rest else re.sub(r"^sh \S+ (-- )?", "", rest).split()[0]
        self.calls.append(verb)
        if self.cut.get(verb) == "before":
            del self.cut[verb]
            raise ConnectionLost("lost")
        act: Callable[..., str] = getattr(self, verb)
        answer = act(rest.split()[-1] if verb == "activate" else data)
        if self.cut.pop(verb, "") == "after":
            raise ConnectionLost("lost")
        code = self.codes.get(verb, 13 if "outcome=rolled_back" in answer else 0)
        return Reply(code, f"banner\n{MARKER}\n{answer}", "box: words of the box\n" if code else "")

    def probe(self, data: bytes) -> str:
        assert data == program()
        return (
            f"machine={self.machine}\nglibc=2.31\nhome_free_kb=1000000\nwritable=yes\nservice=init\ntool={self.tool}\n"
            f"current={self.current}\nprevious={self.previous}\nreleases={' '.join(self.releases)}\n"
            f"running={self.running}\nhealth=fps=25\nbusy={self.busy}\n"
        )

    def push(self, data: bytes) -> str:
        assert data == program()
        self.tool = program_digest()
        return ""

    def receive(self, data: bytes) -> str:
        self.received = data
        self.releases.append(NEW)
        return "outcome=received\n"

    def activate(self, release: str) -> str:
        before = self.current
        assert release in self.releases
        if not self.well:
            return f"outcome=rolled_back\nbefore={before}\nafter={before}\nhealth=no frames\n"
        self.previous, self.current = before, release
        return f"outcome=updated\nbefore={before}\nafter={release}\nhealth=25 frames\n"

    def rollback(self, _: bytes) -> str:
        return self.activate(self.previous)


@pytest.fixture
def order(tmp_path: Path) -> Order:
    (tmp_path / "a.tar.gz").write_bytes(ARCHIVE)
    payload = Payload(
        id=NEW,
        format="tarball",
        archive="a.tar.gz",
        sha256="a" * 64,
        size_bytes=len(ARCHIVE),
        unpacked_bytes=1,
        top="x",
    )
    row = RowRelease(target="arm", machine="aarch64", needs={"GLIBC": "2.28"}, payloads=(payload,))
    release = Release(name="beat", version="1.1", run="bin/beat", health=None, rows={"arm": row}, made_from={})
    return Order(release, tmp_path, Log(io.StringIO(), quiet=True))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perform, "_ASK_AGAIN_S", 0.001)


def deploy(box: FakeBox, order: Order, spec: BoxSpec = SPEC) -> BoxResult:
    return deploy_one(spec, HOME, order, box.connect)


def facts(result: BoxResult) -> tuple[Any, ...]:
    return result.outcome, result.before, result.after, result.exit_code


def test_a_box_is_updated_with_one_question_and_three_actions(order: Order) -> None:
    box = FakeBox()
    result = deploy(box, order)
    assert facts(result) == ("updated", OLD, NEW, 0) and result.health == "25 frames" and result.target == "arm"
    assert box.calls == ["connect", "probe", "push", "receive", "activate", "close"]
    with tarfile.open(fileobj=io.BytesIO(box.received)) as tar:
        archive = tar.extractfile("archive")
        assert archive is not None and archive.read() == ARCHIVE
    assert result.bytes_sent == len(box.received) + len(program())


def test_a_box_that_runs_it_is_only_asked(order: Order) -> None:
    box = FakeBox(current=NEW, releases=[OLD, NEW])
    result = deploy(box, order)
    assert facts(result) == ("unchanged", NEW, NEW, 0) and result.bytes_sent == 0
    assert box.calls == ["connect", "probe", "close"]


def test_a_release_that_is_not_well_is_told_from_one_that_failed(order: Order) -> None:
    result = deploy(FakeBox(well=False), order)
    assert facts(result) == ("rolled_back", OLD, OLD, 7)
    assert result.health == "no frames" and "words of the box" in result.error


@pytest.mark.parametrize(
    ("verb", "code", "word"), [("receive", 10, "space"), ("receive", 11, "signed"), ("push", 1, "1")]
)
def test_what_the_box_refuses_before_the_switch_leaves_it_as_it_was(
    order: Order, verb: str, code: int, word: str
) -> None:
    box = FakeBox(codes={verb: code})
    result = deploy(box, order)
    assert facts(result) == ("failed", OLD, OLD, 7) and word in result.error and "words of the box" in result.error
    assert "activate" not in box.calls


def test_a_box_that_cannot_run_it_gets_no_byte(order: Order) -> None:
    box = FakeBox(machine="x86_64")
    result = deploy(box, order, msgspec.structs.replace(SPEC, target="arm"))
    assert facts(result) == ("skipped", OLD, OLD, 7) and "is x86_64" in result.error
    assert box.calls == ["connect", "probe", "close"]


def test_a_box_that_is_off_is_pending(order: Order) -> None:
    assert facts(deploy(FakeBox(off=True), order)) == ("pending", "", "", 8)


def test_a_refused_host_key_keeps_its_own_exit_code(order: Order) -> None:
    def connect() -> FakeBox:
        raise VerificationError("host key not known", "adopt it")

    result = deploy_one(SPEC, HOME, order, connect)
    assert facts(result) == ("failed", "", "", 6) and result.hint == "adopt it"


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("verb", ["push", "receive", "activate"])
def test_a_connection_lost_once_is_made_up_for(order: Order, verb: str, moment: str) -> None:
    box = FakeBox(cut={verb: moment})
    result = deploy(box, order)
    assert facts(result) == ("updated", OLD, NEW, 0), result
    assert box.current == NEW and not box.cut
    assert box.calls.count("activate") == (2 if (verb, moment) == ("activate", "before") else 1)


def test_a_box_that_is_gone_while_it_receives_is_pending(order: Order) -> None:
    class Vanishing(FakeBox):
        def receive(self, data: bytes) -> str:
            self.off = True
            raise ConnectionLost("lost")

    assert facts(deploy(Vanishing(), order)) == ("pending", OLD, OLD, 8)


def test_a_box_that_is_lost_while_it_is_asked_is_pending(order: Order) -> None:
    """Nothing has begun there: it is no more failed than one that was off a second earlier."""
    assert facts(deploy(FakeBox(cut={"probe": "before"}), order)) == ("pending", "", "", 8)
    assert preview_one(SPEC, HOME, order, FakeBox(cut={"probe": "before"}).connect).exit_code == 8


def test_a_release_that_lay_there_and_is_damaged_is_sent_again(order: Order) -> None:
    class Rotten(FakeBox):
        def activate(self, release: str) -> str:
            self.codes = {} if self.received else {"activate": 11}
            return super().activate(release) if self.received else ""

    box = Rotten(releases=[OLD, NEW])
    assert facts(deploy(box, order)) == ("updated", OLD, NEW, 0)
    assert box.calls == ["connect", "probe", "push", "activate", "receive", "activate", "close"]


def test_a_release_that_is_damaged_as_soon_as_it_is_there_is_sent_once(order: Order) -> None:
    box = FakeBox(codes={"activate": 11})
    assert facts(deploy(box, order))[0] == "failed" and box.calls.count("receive") == 1


def test_a_box_whose_program_does_not_run_is_not_updated_because_its_answer_was_lost(order: Order) -> None:
    class Dead(FakeBox):
        def activate(self, release: str) -> str:
            self.codes["activate"] = 13
            return f"outcome=failed\nbefore={NEW}\nafter={NEW}\n"

    box = Dead(current=NEW, releases=[OLD, NEW], running="no", cut={"activate": "after"})
    assert facts(deploy(box, order)) == ("failed", NEW, NEW, 7)


def test_a_lost_answer_about_a_release_that_was_not_well_is_asked_for(order: Order) -> None:
    assert facts(deploy(FakeBox(well=False, cut={"activate": "after"}), order)) == ("rolled_back", OLD, OLD, 7)


def test_a_switch_under_way_is_waited_for(order: Order) -> None:
    """The connection dies, and the box is not ready at once."""

    class Slow(FakeBox):
        asked = 0

        def activate(self, release: str) -> str:
            self.busy = "77"
            raise ConnectionLost("lost")

        def probe(self, data: bytes) -> str:
            if self.busy:
                self.asked += 1
                if self.asked == 3:
                    self.busy, self.current = "", NEW
            return super().probe(data)

    box = Slow()
    assert facts(deploy(box, order)) == ("updated", OLD, NEW, 0)
    assert box.asked == 3


def test_what_cannot_be_found_out_is_said_so(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying(FakeBox):
        def activate(self, release: str) -> str:
            self.off = True
            raise ConnectionLost("lost")

    monkeypatch.setattr(Order, "switch_timeout_s", 0.05)
    result = deploy(Dying(), order)
    assert result.outcome == "failed" and "not known" in result.error and "status" in result.hint


def test_the_preview_says_what_would_be_done_and_does_nothing(order: Order) -> None:
    box = FakeBox()
    preview = preview_one(SPEC, HOME, order, box.connect)
    assert preview.actions == ("box program", "receive 0.0 MB", "activate")
    assert (preview.before, preview.after) == (OLD, NEW)
    assert box.calls == ["connect", "probe", "close"]
    assert preview.bytes_to_send == deploy(box, order).bytes_sent


def test_the_preview_of_a_refused_box_has_no_actions(order: Order) -> None:
    preview = preview_one(SPEC, HOME, order, FakeBox(machine="mips").connect)
    assert (preview.actions, preview.after, preview.bytes_to_send, preview.exit_code) == ((), OLD, 0, 7)


def test_rollback_goes_to_the_release_before(order: Order) -> None:
    box = FakeBox(current=NEW, previous=OLD, releases=[OLD, NEW])
    assert facts(roll_back_one(SPEC, HOME, order, box.connect)) == ("updated", NEW, OLD, 0)
    assert box.calls == ["connect", "probe", "push", "rollback", "close"]


def test_rollback_whose_answer_is_lost_is_not_done_twice(order: Order) -> None:
    """Twice back would be forward again."""
    box = FakeBox(current=NEW, previous=OLD, releases=[OLD, NEW], cut={"rollback": "after"})
    assert facts(roll_back_one(SPEC, HOME, order, box.connect)) == ("updated", NEW, OLD, 0)
    assert box.calls.count("rollback") == 1


def test_without_a_release_before_there_is_no_rollback(order: Order) -> None:
    result = roll_back_one(SPEC, HOME, order, FakeBox().connect)
    assert result.outcome == "failed" and result.exit_code == 7 and "no release before" in result.error


def test_a_fleet_s_rollback_may_be_repeated_for_boxes_that_were_off(order: Order) -> None:
    """Without `leave`, the second time would take those that went back forward to what was wrong with them."""
    box = FakeBox(current=NEW, previous=OLD, releases=[OLD, NEW])
    outcomes = [roll_back_one(SPEC, HOME, order, box.connect, leave={NEW}).outcome for _ in range(2)]
    assert (outcomes, box.current) == (["updated", "unchanged"], OLD)
