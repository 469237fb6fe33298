"""fleet.yaml -> Fleet: every box with its defaults filled in; all that is wrong is said at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from edgebuild.config.targets import resolve_names
from edgebuild.config.yaml import load_yaml
from edgebuild.errors import ConfigError, ConfigErrors
from edgebuild.model.box import Address, BoxSpec, Fleet, FleetDefaults, parse_address

AUTO = "auto"
_SSH_PORT = 22
# It becomes a word of a service's file on the box.
_ROOT = re.compile(r"/[A-Za-z0-9/._+@:,=-]*[A-Za-z0-9._+@:,=-]")


def load_fleet(path: Path) -> Fleet:
    """Addresses have their user, keys are absolute, targets are rows or "auto". Raises ConfigError, ConfigErrors."""
    fleet = load_yaml(path, Fleet)
    errors: list[ConfigError] = []
    boxes = []
    for index, box in enumerate(fleet.boxes):
        try:
            boxes.append(fill_in(box, fleet.defaults, where=f"{path}: boxes[{index}]", folder=path.parent))
        except ConfigError as err:
            errors.append(err)
    errors += _doubles(boxes, path)
    if not fleet.boxes:
        errors.append(ConfigError(f"{path}: boxes: there is none"))
    if fleet.rollout.canary < 0 or fleet.rollout.parallel < 1:
        errors.append(ConfigError(f"{path}: rollout: canary is 0 or more, parallel is 1 or more"))
    if errors:
        raise errors[0] if len(errors) == 1 else ConfigErrors(errors)
    return msgspec.structs.replace(fleet, boxes=tuple(boxes))


def fill_in(box: BoxSpec, defaults: FleetDefaults, *, where: str, folder: Path) -> BoxSpec:
    """folder: what relative key files are relative to. Raises ConfigError."""
    address = parse_address(box.address, f"{where}.address: ")
    if not address.user:
        address = Address(address.host, defaults.user, address.port)
    via = box.via or defaults.via
    root = (box.root or defaults.root).rstrip("/")
    if not _ROOT.fullmatch(root) or ".." in root.split("/"):
        msg = f"{where}.root: '{root}' is not an absolute folder of plain characters"
        raise ConfigError(msg, "the default is /var/lib/edgebuild.")
    if not box.id.strip() or not box.id.isprintable():
        msg = f"{where}.id: a box needs a name"
        raise ConfigError(msg)
    return msgspec.structs.replace(
        box,
        address=str(address),
        target=_row(box.target or defaults.target, f"{where}.target: "),
        key=_file(box.key or defaults.key, folder, where),
        via=str(parse_address(via, f"{where}.via: ")) if via else "",
        root=root,
        become=box.become or defaults.become,
    )


def _file(key: str, folder: Path, where: str) -> str:
    try:
        return str(folder / Path(key).expanduser()) if key else ""
    except RuntimeError as err:  # "~somebody", who is not there
        msg = f"{where}.key: '{key}' is no file ({err})"
        raise ConfigError(msg) from err


def _row(wish: str, where: str) -> str:
    if wish == AUTO:
        return AUTO
    try:
        names = resolve_names(wish)
    except ConfigError as err:
        msg = f"{where}no target named '{wish}'"
        raise ConfigError(msg, err.hint) from err
    if len(names) != 1:
        msg = f"{where}'{wish}' means {len(names)} targets ({', '.join(names)}), a box is one"
        raise ConfigError(msg, "'auto' picks the row by the box's machine.")
    return names[0]


def _doubles(boxes: list[BoxSpec], path: Path) -> Iterator[ConfigError]:
    """The same box twice would be deployed to twice at the same time."""

    def place(box: BoxSpec) -> str:
        address = parse_address(box.address)
        host = Address(address.host, "", address.port or _SSH_PORT)
        return f"{host} via {box.via}" if box.via else str(host)

    yield from _repeated(boxes, "id", lambda box: box.id, path)
    yield from _repeated(boxes, "address", place, path)


def _repeated(boxes: list[BoxSpec], what: str, of: Callable[[BoxSpec], str], path: Path) -> Iterator[ConfigError]:
    first: dict[str, BoxSpec] = {}
    for box in boxes:
        value = of(box)
        if value in first:
            both = f"'{first[value].id}' and '{box.id}'" if what != "id" else "two boxes"
            yield ConfigError(f"{path}: boxes: {what} {value} stands twice ({both})")
        first.setdefault(value, box)
