"""fleet.yaml becomes boxes with everything filled in, or every mistake is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.config.fleet import load_fleet
from edgebuild.errors import ConfigError, ConfigErrors
from edgebuild.model.box import Address, BoxSpec, Rollout, parse_address


def load(tmp_path: Path, text: str) -> tuple[BoxSpec, ...]:
    path = tmp_path / "fleet.yaml"
    path.write_text(text)
    return load_fleet(path).boxes


def problems(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    errors = caught.value.errors if isinstance(caught.value, ConfigErrors) else (caught.value,)
    return "\n".join(f"{each.message} | {each.hint}" for each in errors)


def test_defaults_are_filled_in_and_what_a_box_says_wins(tmp_path: Path) -> None:
    one, two = load(
        tmp_path,
        """
release: beat-1.0
defaults: {user: linaro, key: keys/fleet, via: "hub:2222", root: /data/apps/, become: sudo, target: arm64}
boxes:
  - {id: one, address: 192.168.1.10}
  - {id: two, address: "root@box:2200", target: auto, format: image, key: /k, via: me@jump, root: /opt}
""",
    )
    assert one == BoxSpec(
        id="one", address="linaro@192.168.1.10", target="generic-arm64", key=str(tmp_path / "keys/fleet"),
        via="hub:2222", root="/data/apps", become="sudo",
    )  # fmt: skip
    assert two == BoxSpec(
        id="two", address="root@box:2200", target="auto", format="image", key="/k", via="me@jump", root="/opt",
        become="sudo",
    )  # fmt: skip


def test_the_least_that_can_be_written(tmp_path: Path) -> None:
    (box,) = load(tmp_path, "release: x\nboxes: [{id: a, address: box}]\n")
    assert box == BoxSpec(id="a", address="box", target="auto", root="/var/lib/edgebuild")
    assert load_fleet(tmp_path / "fleet.yaml").rollout == Rollout(canary=1, parallel=8)


def test_all_mistakes_are_told_at_once_with_their_place(tmp_path: Path) -> None:
    text = problems(
        tmp_path,
        """
release: x
boxes:
  - {id: a, address: "box:0"}
  - {id: b, address: box, target: generic-arm46}
  - {id: c, address: box, root: data}
  - {id: d, address: "x@same"}
  - {id: d, address: "y@same:22"}
  - {id: e, address: box, target: "generic-*"}
rollout: {parallel: 0}
""",
    )
    assert "boxes[0].address: 'box:0'" in text
    assert "boxes[1].target: no target named 'generic-arm46' | did you mean 'generic-arm64'?" in text
    assert "boxes[2].root: 'data'" in text
    assert "id d stands twice" in text and "address same:22 stands twice" in text
    assert "boxes[5].target: 'generic-*' means" in text
    assert "parallel is 1 or more" in text


def test_boxes_of_two_sites_may_have_one_address(tmp_path: Path) -> None:
    text = "release: x\nboxes: [{id: a, address: ip, via: one}, {id: b, address: ip, via: two}]\n"
    assert len(load(tmp_path, text)) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("release: x\nboxes: []\n", "there is none"),
        ("boxes: [{id: a, address: b}]\n", "'release' is missing"),
        ("release: x\nboxes: [{id: a, adress: b}]\n", "did you mean 'address'?"),
        ("release: x\nboxes: [{id: a, address: b}]\nrollout: {canari: 1}\n", "did you mean 'canary'?"),
        ("release: x\nboxes: [{id: '', address: b}]\n", "needs a name"),
        ("release: x\nboxes: [{id: a, address: b, root: /a/../b}]\n", "root"),
        ("release: x\nboxes: [{id: a, address: b, via: 'a b'}]\n", "via"),
        ("release: x\nboxes: [{id: a, address: b, key: ~no-such-user/key}]\n", "boxes[0].key"),
    ],
)
def test_a_mistake_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    assert words in problems(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("box", Address("box")),
        ("root@box:22", Address("box", "root", 22)),
        ("fe80::1", Address("fe80::1")),
        ("root@[fe80::1]:2222", Address("fe80::1", "root", 2222)),
        ("a@b@box", None),
        ("", None),
        ("box:", None),
        ("box:x", None),
        ("box:65536", None),
        ("box:" + "9" * 5000, None),
        ("@box", None),
        ("-oProxyCommand=x", None),
        ("ssh://box", None),
        ("[fe80::1]x", None),
        ("a..b", None),
        ("a" * 64 + ".example", None),
    ],
)
def test_addresses(text: str, address: Address | None) -> None:
    if address is None:
        with pytest.raises(ConfigError, match="not a box's address"):
            parse_address(text)
    else:
        assert parse_address(text) == address
        assert parse_address(str(address)) == address
