"""What a user writes is read strictly, and every error says where and what next."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgebuild.config.yaml import did_you_mean, load_yaml, parse_yaml
from edgebuild.errors import ConfigError
from edgebuild.model.contract import Contract
from edgebuild.model.recipe import Record


class Inner(Record):
    version: str
    count: int = 1


class Outer(Record):
    title: str
    inner: Inner | None = None
    parts: tuple[Inner, ...] = ()
    named: dict[str, Inner] = msgspec.field(default_factory=dict)


def error_of(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, Outer, where="row.yaml")
    return caught.value


def test_a_file_becomes_a_record() -> None:
    text = "title: A\nparts: [{version: '3.9', count: 2}]\n"
    assert parse_yaml(text, Outer, where="row.yaml") == Outer(title="A", parts=(Inner(version="3.9", count=2),))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("titel: A", "row.yaml: unknown key 'titel'", "did you mean 'title'? "),
        ("title: A\ninner: {version: '1', cuont: 2}", "row.yaml: inner: unknown key 'cuont'", "did you mean 'count'? "),
        ("title: A\nparts: [{versoin: '1'}]", "row.yaml: parts[0]: unknown key 'versoin'", "did you mean 'version'? "),
        ("title: A\nnamed: {x: {versoin: '1'}}", "row.yaml: named[...]: unknown key 'versoin'", "did you mean"),
        ("inner: {version: '1'}", "row.yaml: key 'title' is missing", ""),
        ("title: A\ninner: {version: 3.9}", "row.yaml: inner.version: expected 'str', got 'float'", ""),
        ("title: [1]", "row.yaml: title: expected 'str', got 'array'", ""),
        ("- title", "row.yaml: expected 'object', got 'array'", ""),
        ("title: A\ninner:\n\tversion: '1'", "row.yaml:3: a tab in the indentation", "YAML indents with spaces only."),
        ("\ttitle: A", "row.yaml:1: a tab in the indentation", "YAML indents with spaces only."),
        ("title: A\ntitle: B", "row.yaml:2:1: key 'title' stands twice", ""),
        ("", "row.yaml: empty file", ""),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, message: str, hint: str) -> None:
    error = error_of(text)
    assert error.message == message
    assert error.hint.startswith(hint)


def test_an_unknown_key_lists_what_there_is() -> None:
    assert error_of("title: A\nwrong: 1").hint == "keys here: title, inner, parts, named."


def test_broken_yaml_is_placed_by_line_and_column() -> None:
    assert error_of("title: A: B").message.startswith("row.yaml:1:9: mapping values are not allowed")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: 2024-13-01", "month must be in 1..12"),
        ("title: !!int abc", "invalid literal for int"),
        ("[a, b]: c", "a list or table as a key"),
        ("{a: b}: c", "a list or table as a key"),
    ],
)
def test_what_yaml_itself_cannot_make_a_value_of_is_said_in_words(text: str, message: str) -> None:
    assert message in error_of(text).message


def test_tags_that_run_code_are_refused() -> None:
    assert "could not determine a constructor" in error_of("title: !!python/object/apply:os.getcwd []").message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file"):
        load_yaml(tmp_path / "none.yaml", Outer)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "row.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"row\.yaml: cannot be read \(Is a directory\)"):
        load_yaml(tmp_path / "row.yaml", Outer)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "row.yaml").write_bytes(b"title: \xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read as UTF-8 text"):
        load_yaml(tmp_path / "row.yaml", Outer)


def test_only_what_is_near_is_suggested() -> None:
    assert did_you_mean("acmee", ("acme", "generic")) == "did you mean 'acme'? "
    assert did_you_mean("zzz", ("acme", "generic")) == ""


def test_a_version_that_yaml_reads_as_a_number_is_refused() -> None:
    """3.10 would silently become 3.1."""
    text = "title: T\narch: aarch64\ncpu: {model: m, emulated_as: max}\nlibraries: {}\npythons: [{version: 3.10}]\n"
    with pytest.raises(ConfigError, match=r"pythons\[0\]\.version: expected 'str', got 'float'"):
        parse_yaml(text, Contract, where="contract.yaml")


def test_a_choice_lists_nothing_but_its_words() -> None:
    text = "title: T\narch: riscv64\ncpu: {model: m, emulated_as: max}\nlibraries: {}\n"
    with pytest.raises(ConfigError, match=r"contract\.yaml: arch: invalid enum value 'riscv64'"):
        parse_yaml(text, Contract, where="contract.yaml")
