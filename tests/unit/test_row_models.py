"""A model for another chip than a row's box has does not leave the house; models are the backends' own."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebuild.audit.engine import audit
from edgebuild.config.targets import load_row, row_kinds, row_names
from edgebuild.inputs.model import read_model, shipped_formats
from edgebuild.log import Log
from edgebuild.model.contract import Contract, Provided
from edgebuild.model.model_file import ModelHeader
from edgebuild.model.tree import OtherFile, TreeFacts
from edgebuild.workspace import Workspace

BACKENDS = Path(__file__).resolve().parents[2] / "cpp_core/backends"


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Contract]:
    folder = tmp_path_factory.mktemp("kinds")
    return row_kinds(Workspace(cache=folder, out=folder, project=folder, log=Log(quiet=True)))


def models_of(backend: str) -> set[Path]:
    """What the backend brings to the contract suite, which asks those that bring none whether they run none."""
    return set(BACKENDS.glob(f"{backend}/tests/affine.*"))


def headers_of(backend: str) -> dict[Path, ModelHeader]:
    found = {path: read_model(path, shipped_formats()) for path in models_of(backend)}
    return {path: ModelHeader.parse(other.value) for path, other in found.items() if other and other.kind == "model"}


def test_every_backend_of_a_row_reads_a_format_that_the_audit_knows() -> None:
    for name in row_names():
        for backend in load_row(name).backends:
            assert headers_of(backend).keys() == models_of(backend), f"{backend}: its model.yaml is not of its model"


def test_a_format_that_a_row_takes_is_described_by_a_backend(kinds: dict[str, Contract]) -> None:
    stated = {name: kind.model.format for name, kind in kinds.items() if kind.model}
    assert len(stated) > 5
    known = {each.name for each in shipped_formats()}
    assert set(stated.values()) <= known


def test_a_model_of_another_chip_is_refused_for_every_row_whose_chip_is_known(kinds: dict[str, Contract]) -> None:
    chips = {name: kind.model for name, kind in kinds.items() if kind.model and kind.model.chip}
    assert chips
    for name, facts in chips.items():
        for other in {each.chip for each in chips.values()} | {"ANOTHER"}:
            model = OtherFile(name="a.model", kind="model", value=str(ModelHeader(facts.format, other)))
            tree = TreeFacts(path="app", kind="folder", others=(model,))
            codes = {each.code for each in audit(tree, Provided(kinds[name])) if each.severity == "error"}
            assert codes == (set() if other == facts.chip else {"A120"}), (name, other)
