"""Contracts are read strictly, written so that people review them, compared, and brought to one floor."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from edgebuild.commands.context import Context
from edgebuild.commands.contract import command as contract_command
from edgebuild.commands.probe import command as probe_command
from edgebuild.commands.probe import contract_name
from edgebuild.config.contracts import (
    contract_names,
    load_contract,
    parse_symbols,
    read_contract,
    render_symbols,
    save_contract,
)
from edgebuild.errors import ConfigError
from edgebuild.log import Log
from edgebuild.model.contract import Contract, CpuSpec, EngineFacts, ModelFacts, MountedFile, Provided, PythonFacts
from edgebuild.model.contract_diff import Difference, diff_contracts
from edgebuild.model.contract_merge import merge_contracts
from edgebuild.run import run
from edgebuild.workspace import Workspace
from tests.elf_writer import Elf, write_elf

ACME = Provided(
    Contract(
        title="Acme: box, 'one'",
        arch="aarch64",
        cpu=CpuSpec(
            model="cortex-a76",
            emulated_as="cortex-a76",
            features=("fp", "asimd", "crc32", "atomics", "asimddp"),
            cpuinfo={"CPU part": "0xd0b", "BogoMIPS": "48.00", "Features": "fp asimd crc32 atomics asimddp"},
        ),
        libraries={"libc.so.6": {"GLIBC": "2.35"}, "libz.so.1": {"ZLIB": "1.2.12"}, "libvendor.so": {}},
        page_size=4096,
        kernel="5.10",
        glibc="2.35",
        pythons=(PythonFacts(version="3.9"), PythonFacts(version="3.10", soabi="cpython-310-aarch64-linux-gnu")),
        programs=("/bin/bash", "/bin/sh"),
        loaders=("/lib/ld-linux-aarch64.so.1", "/lib64/ld-linux-aarch64.so.1"),
        engine=EngineFacts(
            name="docker",
            version="24.0.2",
            layers=("none", "gzip", "zstd"),
            seccomp="2.5.4",
            mounts=(MountedFile(path="/l/libd.so.1", needs={"GLIBC": "2.34"}, provides={"D": "2"}),),
        ),
        model=ModelFacts(format="acme", chip="a1", version="2.0"),
        free_bytes=8 << 30,
        versions={"os": "acme 7", "sdk": "1.10"},
        sources={"": "by hand", "kernel": "probe: uname -r"},
    ),
    {"libc.so.6": frozenset({"fopen@GLIBC_2.17", "fmod@GLIBC_2.38"}), "libz.so.1": frozenset({"deflate"})},
)


def changed(provided: Provided = ACME, symbols: dict[str, frozenset[str]] | None = None, **facts: object) -> Provided:
    contract = msgspec.structs.replace(provided.contract, **facts)
    return Provided(contract, provided.symbols if symbols is None else symbols)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace(cache=tmp_path / "cache", out=tmp_path / "out", project=tmp_path, log=Log(quiet=True))


# ---- Files ----


def test_what_is_saved_is_what_is_read(ws: Workspace) -> None:
    path = ws.project / "contracts" / "acme.yaml"
    save_contract(ACME, path, header="How it was made: by hand.")
    assert path.read_text().startswith("# How it was made: by hand.\ntitle: \"Acme: box, 'one'\"\narch: aarch64\n")
    assert 'glibc: "2.35"' in path.read_text() and max(map(len, path.read_text().splitlines())) <= 120
    again = load_contract("acme", ws)
    assert msgspec.structs.replace(again.contract, symbols="") == ACME.contract
    assert again.symbols == ACME.symbols


def test_symbols_that_are_not_known_any_more_leave_no_file(ws: Workspace) -> None:
    path = ws.project / "acme.yaml"
    save_contract(ACME, path)
    save_contract(changed(symbols={}), path)
    assert not path.with_suffix(".symbols").exists() and read_contract(path).symbols == {}


def test_a_project_s_own_contract_takes_the_place_of_a_shipped_one(ws: Workspace) -> None:
    shipped = contract_names(ws)
    assert {"generic-arm64", "generic-x86_64"} <= {*shipped}
    save_contract(ACME, ws.project / "contracts" / "generic-arm64.yaml")
    assert contract_names(ws) == shipped
    assert load_contract("generic-arm64", ws).contract.title == "Acme: box, 'one'"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("generic-arm46", "--contract: no contract named 'generic-arm46'", "did you mean 'generic-arm64'?"),
        ("./none.yaml", "--contract: none.yaml: no such file", "edgebuild contract list"),
    ],
)
def test_a_contract_that_is_not_there_is_told(name: str, message: str, hint: str, ws: Workspace) -> None:
    with pytest.raises(ConfigError) as error:
        load_contract(name, ws)
    assert message in error.value.message and hint in error.value.hint


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        (None, "cannot be read"),
        ("fopen\n", "'fopen' stands before the first [LIBRARY]"),
        ("[libother.so.1]\nf\n", "has symbols of libother.so.1, which acme.yaml does not list"),
    ],
)
def test_a_sidecar_that_does_not_fit_is_refused(symbols: str | None, message: str, ws: Workspace) -> None:
    path = ws.project / "acme.yaml"
    save_contract(ACME, path)
    if symbols is None:
        path.with_suffix(".symbols").unlink()
    else:
        path.with_suffix(".symbols").write_text(symbols)
    with pytest.raises(ConfigError) as error:
        read_contract(path)
    assert message in error.value.message


def test_a_sidecar_cannot_be_elsewhere(ws: Workspace) -> None:
    path = ws.project / "acme.yaml"
    save_contract(ACME, path)
    path.write_text(path.read_text().replace("acme.symbols", "../acme.symbols"))
    with pytest.raises(ConfigError, match="not the name of a file beside it"):
        read_contract(path)


def test_symbols_are_written_in_one_order() -> None:
    text = render_symbols({"b.so": frozenset({"y", "x@V_1"}), "a.so": frozenset()})
    assert text == "[a.so]\n[b.so]\nx@V_1\ny\n"
    assert parse_symbols(text, where="here") == {"a.so": frozenset(), "b.so": frozenset({"y", "x@V_1"})}


@pytest.mark.parametrize("name", ["generic-arm64", "generic-x86_64"])
def test_shipped_contracts_say_all_but_the_model_and_agree_with_their_symbols(name: str, ws: Workspace) -> None:
    provided = load_contract(name, ws)
    contract = provided.contract
    assert contract.symbols == f"{name}.symbols" and set(provided.symbols) == set(contract.libraries)
    facts = (contract.cpu.features, contract.page_size, contract.kernel, contract.glibc, contract.pythons)
    assert None not in (*facts, contract.programs, contract.engine, contract.free_bytes)
    for library, nodes in contract.libraries.items():
        for family, version in nodes.items():
            assert f"{family}_{version}" in provided.nodes(library), library
    assert "fopen@GLIBC_2.17" in provided.symbols["libc.so.6"] or contract.arch == "x86_64"


# ---- Floor ----


def test_the_floor_is_the_lowest_of_everything() -> None:
    other = changed(
        symbols={"libc.so.6": frozenset({"fopen@GLIBC_2.17"})},
        cpu=CpuSpec(model="cortex-a53", emulated_as="cortex-a53", features=("fp", "asimd", "crc32")),
        libraries={"libc.so.6": {"GLIBC": "2.9"}, "libz.so.1": {}, "libother.so": {}},
        page_size=65536,
        kernel="5.9",
        glibc="2.9",
        pythons=(PythonFacts(version="3.10", soabi="other"),),
        programs=("/bin/sh",),
        loaders=("/lib/ld-linux-aarch64.so.1",),
        engine=EngineFacts(name="docker", version="20.10.5", layers=("none", "gzip"), seccomp="2.4.4", mounts=()),
        free_bytes=1 << 30,
        versions={"os": "acme 7", "sdk": "1.9"},
    )
    floor = merge_contracts([ACME, other], "Floor")
    contract = floor.contract
    assert contract.cpu.model == "cortex-a76 or cortex-a53" and contract.cpu.emulated_as == "cortex-a53"
    assert contract.cpu.features == ("fp", "asimd", "crc32")
    assert contract.libraries == {"libc.so.6": {"GLIBC": "2.9"}, "libz.so.1": {}}
    assert floor.symbols == {"libc.so.6": frozenset({"fopen@GLIBC_2.17"})}
    assert (contract.page_size, contract.kernel, contract.glibc, contract.free_bytes) == (65536, "5.9", "2.9", 1 << 30)
    assert contract.pythons == () and contract.programs == ("/bin/sh",)
    assert contract.loaders == ("/lib/ld-linux-aarch64.so.1",)
    (mount,) = ACME.contract.engine.mounts  # type: ignore[union-attr,misc]
    assert isinstance(contract.engine, EngineFacts)
    assert contract.engine.mounts == (msgspec.structs.replace(mount, everywhere=False),)
    assert (contract.engine.version, contract.engine.layers) == ("20.10.5", ("none", "gzip"))
    assert contract.versions == {"os": "acme 7"} and "'Acme: box, 'one''" in contract.sources[""]


def test_a_floor_of_one_and_the_same_box_is_that_box() -> None:
    floor = merge_contracts([ACME, ACME], ACME.contract.title)
    assert diff_contracts(ACME, floor) == ()


@pytest.mark.parametrize(
    "fact", ["page_size", "kernel", "glibc", "pythons", "programs", "loaders", "engine", "model", "free_bytes"]
)
def test_what_one_box_does_not_say_is_unknown_of_the_floor(fact: str) -> None:
    silent = changed(**{fact: None})
    for boxes in ([ACME, silent], [silent, ACME]):
        assert getattr(merge_contracts(boxes, "Floor").contract, fact) is None


@pytest.mark.parametrize(
    ("one", "other", "soabi"),
    [
        ("cpython-313-aarch64-linux-gnu", "cpython-313-aarch64-linux-gnu", "cpython-313-aarch64-linux-gnu"),
        ("cpython-313-aarch64-linux-gnu", "", "cpython-313-aarch64-linux-gnu"),
        ("", "", ""),
        ("cpython-313-aarch64-linux-gnu", "cpython-313t-aarch64-linux-gnu", None),
        ("", "cpython-313t-aarch64-linux-gnu", None),
    ],
)
def test_pythons_that_import_different_files_are_not_common(one: str, other: str, soabi: str | None) -> None:
    boxes = [changed(pythons=(PythonFacts(version="3.13", soabi=each),)) for each in (one, other)]
    expected = () if soabi is None else (PythonFacts(version="3.13", soabi=soabi),)
    assert merge_contracts(boxes, "Floor").contract.pythons == expected
    assert merge_contracts(boxes[::-1], "Floor").contract.pythons == expected


def test_a_box_without_the_usual_loader_leaves_no_usual_loader_to_the_floor() -> None:
    silent, odd = changed(loaders=None), changed(loaders=("/lib64/ld-linux-aarch64.so.1",))
    assert merge_contracts([silent, odd], "Floor").contract.loaders == ()
    assert merge_contracts([silent, ACME], "Floor").contract.loaders is None


def test_what_only_one_mount_needs_all_images_have_to_bring() -> None:
    mount = MountedFile(path="/l/libd.so.1", needs={"GLIBC": "2.36", "GCC": "3.0"}, provides={"D": "1"})
    engine = msgspec.structs.replace(ACME.contract.engine, mounts=(mount,))  # type: ignore[type-var]
    merged = merge_contracts([ACME, changed(engine=engine)], "Floor").contract.engine
    assert isinstance(merged, EngineFacts) and merged.mounts is not None
    assert merged.mounts[0].needs == {"GLIBC": "2.36", "GCC": "3.0"} and merged.mounts[0].provides == {"D": "1"}


def test_boxes_of_two_architectures_have_no_floor() -> None:
    with pytest.raises(ConfigError, match="no file loads on both"):
        merge_contracts([ACME, changed(arch="x86_64")], "Floor")


# ---- Differences ----


def test_differences_are_told_fact_by_fact() -> None:
    after = changed(
        symbols={"libc.so.6": frozenset({"fopen@GLIBC_2.17", "new"}), "libz.so.1": frozenset({"deflate"})},
        libraries={"libc.so.6": {"GLIBC": "2.36"}, "libz.so.1": {"ZLIB": "1.2.9"}, "libnew.so.1": {}},
        kernel=None,
        programs=("/bin/sh", "/usr/bin/perl"),
        versions={"os": "acme 8"},
    )
    assert diff_contracts(ACME, after) == (
        Difference("kernel", "5.10", "unknown", "forgotten"),
        Difference("programs /bin/bash", "/bin/bash", "-", "lost"),
        Difference("programs /usr/bin/perl", "-", "/usr/bin/perl", "gained"),
        Difference("versions.os", "acme 7", "acme 8", "changed"),
        Difference("versions.sdk", "1.10", "-", "lost"),
        Difference("library libc.so.6", "GLIBC 2.35", "GLIBC 2.36", "raised"),
        Difference("library libnew.so.1", "-", "there", "gained"),
        Difference("library libvendor.so", "there", "-", "lost"),
        Difference("library libz.so.1", "ZLIB 1.2.12", "ZLIB 1.2.9", "lowered"),
        Difference("symbols libc.so.6", "2", "2 (+1 -1)", "changed"),
    )


def test_a_python_of_another_build_and_forgotten_symbols_are_differences() -> None:
    threaded = PythonFacts(version="3.10", soabi="cpython-310t-aarch64-linux-gnu")
    after = changed(symbols={"libc.so.6": ACME.symbols["libc.so.6"]}, pythons=(PythonFacts(version="3.9"), threaded))
    assert [(each.fact, each.change) for each in diff_contracts(ACME, after)] == [
        ("pythons 3.10 cpython-310-aarch64-linux-gnu", "lost"),
        ("pythons 3.10 cpython-310t-aarch64-linux-gnu", "gained"),
        ("symbols libz.so.1", "forgotten"),
    ]


def test_a_library_that_gains_a_family_and_loses_height_has_changed() -> None:
    libraries = {**ACME.contract.libraries, "libz.so.1": {"ZLIB": "1.2.9", "NEW": "1"}}
    (found,) = diff_contracts(ACME, changed(libraries=libraries))
    assert (found.fact, found.change) == ("library libz.so.1", "changed")


# ---- Commands ----


def call(group: object, ws: Workspace, *argv: str) -> Result:
    return CliRunner().invoke(group, [*argv], obj=Context(ws, run), standalone_mode=True)  # type: ignore[arg-type]


def test_two_contracts_are_compared_and_merged(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ws.project)
    save_contract(ACME, ws.project / "contracts" / "acme.yaml")
    save_contract(changed(kernel="4.9", title="Old"), ws.project / "old.yaml")
    shown = call(contract_command, ws, "diff", "acme", "old.yaml")
    assert "kernel" in shown.output and "lowered" in shown.output
    assert "state the same facts" in call(contract_command, ws, "diff", "acme", "acme").output
    merged = call(contract_command, ws, "merge", "acme", "old.yaml", "-o", "floor.yaml", "--json")
    assert merged.exit_code == 0 and read_contract(Path("floor.yaml")).contract.kernel == "4.9"
    assert "acme" in call(contract_command, ws, "list").output
    assert "unknown: nothing" in call(contract_command, ws, "show", "acme").output
    alone = call(contract_command, ws, "merge", "acme", "-o", "x.yaml")
    assert isinstance(alone.exception, ConfigError)


def test_a_contract_goes_where_other_commands_find_it(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ws.project)
    refused = call(contract_command, ws, "merge", "generic-arm64", "generic-arm64", "-o", "floor")
    assert isinstance(refused.exception, ConfigError) and "ends in .yaml" in str(refused.exception)
    assert list(ws.project.iterdir()) == []


def test_a_root_is_probed_into_the_project_s_contracts(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ws.project)
    library = ws.project / "rootfs/lib/ld-linux-aarch64.so.1"
    library.parent.mkdir(parents=True)
    library.write_bytes(write_elf(Elf(soname="ld-linux-aarch64.so.1", defines=["GLIBC_2.17"])))
    done = call(probe_command, ws, "--root", "rootfs", "--title", "Acme")
    assert done.exit_code == 0, done.exception
    assert "Next: edgebuild audit PATH --contract rootfs" in done.output and "unknown: cpu.features" in done.output
    assert load_contract("rootfs", ws).contract.title == "Acme"
    for argv in ((), ("box", "--root", "rootfs")):
        assert isinstance(call(probe_command, ws, *argv).exception, ConfigError)


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("root@192.168.1.10:2222", "192.168.1.10"),
        ("box.local", "box.local"),
        ("root@[fe80::1]:22", "fe80-1"),
        ("/mnt/rootfs/", "rootfs"),
        ("debian:12", "debian-12"),
        ("out/acme-1.0.image.tar", "acme-1.0"),
    ],
)
def test_a_contract_is_called_as_what_was_probed(origin: str, name: str) -> None:
    assert contract_name(origin, is_box=origin.startswith(("root@", "box"))) == name
