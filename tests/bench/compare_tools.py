"""Which tool catches what of the seeded corpus: `python -m tests.bench.compare_tools` writes docs/audit-peers.md.

A tool catches a defect when it complains of the kind of thing that the defect is: generously, whatever else it
complains of. Other tools get every artifact unpacked, images as well, packed as wheels where need be.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from edgebuild.audit.codes import CODES
from edgebuild.config.contracts import read_contract
from edgebuild.errors import EdgebuildError
from edgebuild.inputs import open_artifact
from edgebuild.log import Log
from edgebuild.workspace import Workspace
from tests.bench.peers import PEERS, Opened, pack
from tests.corpus import build, judge
from tests.corpus.defects import DEFECTS
from tests.corpus.model import Defect

PAGE = Path(__file__).resolve().parents[2] / "docs/audit-peers.md"
# What a complaint has to be about. Codes that are not here are of a kind that no other tool speaks of.
KINDS = {
    "A101": "machine", "A102": "versions", "A103": "library", "A104": "versions", "A105": "rpath", "A106": "stack",
    "A109": "damaged", "A111": "isa", "A113": "textrel", "A121": "tag", "A122": "tag", "A123": "abi3",
    "A130": "library",
}  # fmt: skip
OURS = "edgebuild"
_ARCHIVES = (".whl", ".tar", ".gz", ".deb")


@contextlib.contextmanager
def opened(path: Path, arch: str, ws: Workspace) -> Iterator[Opened | None]:
    """None where it cannot be unpacked, which is a complaint of its own, and nobody's but the unpacker's."""
    with ws.scratch("peers") as scratch:
        try:
            with contextlib.ExitStack() as stack:
                tree = path
                is_layout = path.is_dir() and (path / "index.json").is_file()
                if is_layout or path.name.endswith(_ARCHIVES):
                    tree = stack.enter_context(open_artifact(path, ws=ws)).root
                elif path.is_file():
                    tree = scratch / "tree"
                    tree.mkdir()
                    (tree / path.name).write_bytes(path.read_bytes())
                wheel = path
                if path.suffix != ".whl":
                    wheel = scratch / f"packed-1-py3-none-linux_{arch}.whl"
                    pack(tree, wheel)
                yield Opened(tree, wheel, path.suffix == ".whl")
        except EdgebuildError:
            yield None


def caught_by(defect: Defect, ws: Workspace) -> set[str]:
    made = build.provide(defect, ws)
    tools = set() if judge.problems(defect, judge.judge(defect, made, ws)) else {OURS}
    contract = read_contract(defect.contract_file).contract
    kinds = {KINDS[code] for code in defect.codes if code in KINDS}
    with opened(made.path, contract.arch, ws) as artifact:
        if artifact:
            tools |= {name for name, peer in PEERS.items() if kinds & peer(artifact, contract)}
    return tools


def render(caught: dict[str, set[str]]) -> str:
    tools = [OURS, *PEERS]
    refused = {defect.name: defect for defect in DEFECTS if defect.refused}
    by_code: dict[str, Counter[str]] = {}
    for name, defect in refused.items():
        for code in defect.codes[:1]:
            counts = by_code.setdefault(code, Counter())
            counts["all"] += 1
            counts.update(caught[name])
    lines = [
        "# The same corpus, other tools",
        "",
        "<!-- written by `python -m tests.bench.compare_tools` -->",
        "",
        f"{len(refused)} artifacts that a box cannot load or must not get ([the corpus](audit-corpus.md)), one defect",
        "each. A tool catches one when it complains of that kind of thing, whatever else it complains of. Images were",
        "unpacked for tools that read none, and folders packed as wheels for auditwheel. checksec is credited for each",
        "RPATH, though it shows sound ones alike. None of the others knows the box: auditwheel is credited when its",
        "tag is above the box's glibc, and the readelf script (`tests/bench/readelf_check.sh`, as teams write it)",
        "is given the contract's facts.",
        "",
        f"| first code | meaning | defects | {' | '.join(tools)} |",
        f"|---|---|---|{'---|' * len(tools)}",
    ]
    for code, counts in sorted(by_code.items()):
        cells = " | ".join(str(counts[tool] or "-") for tool in tools)
        lines.append(f"| {code} | {CODES[code].title} | {counts['all']} | {cells} |")
    totals = " | ".join(str(sum(tool in caught[name] for name in refused)) for tool in tools)
    lines += [f"| | **all** | {len(refused)} | {totals} |", ""]
    missed = sorted(name for name in refused if caught[name] - {OURS} and OURS not in caught[name])
    lines += [f"Caught by another tool and not by edgebuild: {', '.join(missed) or 'none'}.", ""]
    return "\n".join(lines)


def main() -> int:
    ws = Workspace.open(project=Path.cwd(), out=None, log=Log(quiet=True))
    caught = {}
    for number, defect in enumerate(DEFECTS, start=1):
        caught[defect.name] = caught_by(defect, ws)
        print(f"{number}/{len(DEFECTS)} {defect.name}: {', '.join(sorted(caught[defect.name])) or 'nobody'}")
    text = render(caught)
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    return int("none." not in text)


if __name__ == "__main__":
    sys.exit(main())
