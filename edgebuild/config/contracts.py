"""Device contracts by name: the shipped ones, and those of the project in contracts/ beside its edgebuild.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from edgebuild.config.yaml import did_you_mean, load_yaml
from edgebuild.config.yaml_text import comment_lines, render_yaml
from edgebuild.errors import ConfigError
from edgebuild.model.contract import Contract, Provided
from edgebuild.workspace import Workspace, write_atomic

FOLDER = "contracts"
_SHIPPED = Path(__file__).resolve().parent.parent / FOLDER
_SUFFIX = ".symbols"


def contract_names(ws: Workspace) -> tuple[str, ...]:
    """The project's own and the shipped ones."""
    return tuple(sorted({path.stem for base in _bases(ws) for path in base.glob("*.yaml")}))


def find_contract(name_or_path: str, ws: Workspace, *, where: str = "--contract") -> Path:
    """A file's path, or a name: the project's own file before the shipped one. where: for messages. Raises ConfigError.

    Whatever has a "/" or ends in ".yaml" is a path, below the current folder as everywhere else.
    """
    if "/" in name_or_path or name_or_path.endswith(".yaml"):
        if not (path := Path(name_or_path)).is_file():
            msg = f"{where}: {path}: no such file"
            raise ConfigError(msg, "a name without '/' and '.yaml' is looked up among `edgebuild contract list`.")
        return path
    for base in _bases(ws):
        if (path := base / f"{name_or_path}.yaml").is_file():
            return path
    known = contract_names(ws)
    msg = f"{where}: no contract named '{name_or_path}'"
    raise ConfigError(msg, did_you_mean(name_or_path, known) + f"`edgebuild contract list` shows all {len(known)}.")


def load_contract(name_or_path: str, ws: Workspace, *, where: str = "--contract") -> Provided:
    """With the symbols of its sidecar file. Raises ConfigError."""
    return read_contract(find_contract(name_or_path, ws, where=where))


def read_contract(path: Path) -> Provided:
    """Raises ConfigError."""
    contract = load_yaml(path, Contract)
    if not contract.symbols:
        return Provided(contract)
    if Path(contract.symbols).name != contract.symbols:
        msg = f"{path}: symbols: '{contract.symbols}' is not the name of a file beside it"
        raise ConfigError(msg)
    sidecar = path.with_name(contract.symbols)
    try:
        text = sidecar.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        msg = f"{sidecar}: cannot be read ({getattr(err, 'strerror', None) or err})"
        raise ConfigError(msg, f"{path.name} names it; without the line `symbols:` they are unknown.") from err
    symbols = parse_symbols(text, where=str(sidecar))
    if strangers := sorted(symbols.keys() - contract.libraries.keys()):
        msg = f"{sidecar}: has symbols of {strangers[0]}, which {path.name} does not list"
        raise ConfigError(msg, "both are written together: `edgebuild probe` makes them anew.")
    return Provided(contract, symbols)


def save_contract(provided: Provided, path: Path, *, header: str = "") -> None:
    """The YAML and, where symbols are known, NAME.symbols beside it. header: how it was made, for a comment on top.

    Each file is replaced whole, the symbols first: nobody reads a contract whose sidecar is not there yet.
    """
    sidecar = path.with_suffix(_SUFFIX)
    contract = msgspec.structs.replace(provided.contract, symbols=sidecar.name if provided.symbols else "")
    if provided.symbols:
        write_atomic(sidecar, render_symbols(provided.symbols))
    write_atomic(path, render_contract(contract, header=header))
    if not provided.symbols:
        sidecar.unlink(missing_ok=True)


def render_contract(contract: Contract, *, header: str = "") -> str:
    return comment_lines(header) + render_yaml(msgspec.to_builtins(contract))


def render_symbols(symbols: Mapping[str, frozenset[str]]) -> str:
    """A line "[SONAME]" for each library, then its exported symbols, one a line, sorted. "@NODE": without a symbol."""
    return "".join(f"{line}\n" for soname in sorted(symbols) for line in (f"[{soname}]", *sorted(symbols[soname])))


def parse_symbols(text: str, *, where: str) -> dict[str, frozenset[str]]:
    """Raises ConfigError."""
    return {soname: frozenset(names) for soname, names in _sections(text, where)}


def _sections(text: str, where: str) -> Iterator[tuple[str, list[str]]]:
    head, *sections = f"\n{text}".split("\n[")
    if head.strip():
        msg = f"{where}:1: '{head.split()[0]}' stands before the first [LIBRARY]"
        raise ConfigError(msg)
    for section in sections:
        soname, _, names = section.partition("]\n")
        yield soname.removesuffix("]"), names.split()


def _bases(ws: Workspace) -> tuple[Path, Path]:
    return ws.project / FOLDER, _SHIPPED
