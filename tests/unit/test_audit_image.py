"""Images against the engine that has to unpack and start them, and together with what the host lays into them."""

from __future__ import annotations

import msgspec
import pytest

from edgebuild.audit.engine import audit
from edgebuild.audit.image import check_image
from edgebuild.audit.inside import contract_inside
from edgebuild.model.contract import Contract, CpuSpec, EngineFacts, MountedFile, Packing, Provided
from edgebuild.model.elf import ElfFacts
from edgebuild.model.tree import ImageFacts, LayerFacts, OtherFile, TreeFacts

ENGINE = EngineFacts(name="docker", version="20.10.24", layers=("none", "gzip"), seccomp="2.5.1", mounts=())
BOX = Contract(
    title="Acme",
    arch="aarch64",
    cpu=CpuSpec(model="cortex-a53", emulated_as="cortex-a53", features=()),
    libraries={"libc.so.6": {"GLIBC": "2.39"}, "libhost.so.1": {}},
    engine=ENGINE,
    page_size=4096,
    kernel="5.10",
    programs=("/bin/sh", "/usr/bin/host-only"),
    pythons=(),
    free_bytes=1 << 40,
)
LOADER = "/lib/ld-linux-aarch64.so.1"
ACCEL = MountedFile(
    path="/usr/lib/accel/libaccel.so.1",
    soname="libaccel.so.1",
    needed=("libc.so.6",),
    needs={"GLIBC": "2.34"},
    provides={"ACCEL": "1.2"},
)


def elf(name: str, *, kind: str = "shared", machine: str = "EM_AARCH64", **more: object) -> ElfFacts:
    facts = {"bits": 64, "endianness": "little", "alignment": 65536, "executable": kind == "executable", **more}
    return ElfFacts(name=name, kind=kind, machine=machine, **facts)  # type: ignore[arg-type]


def program(name: str, **more: object) -> ElfFacts:
    return elf(name, kind="executable", **{"interpreter": LOADER, "needed": ("libc.so.6",), **more})


def libc(version: str) -> ElfFacts:
    return elf("usr/lib/libc.so.6", soname="libc.so.6", defined_versions=("GLIBC_2.17", f"GLIBC_{version}"))


DYNAMIC_LOADER = elf("usr/lib/ld-linux-aarch64.so.1", soname="ld-linux-aarch64.so.1", defined_versions=("GLIBC_2.17",))


def image(
    *elves: ElfFacts,
    glibc: str = "2.31",
    others: tuple[OtherFile, ...] = (),
    packings: tuple[Packing, ...] = ("gzip",),
    **facts: object,
) -> TreeFacts:
    """A root with a C library and /app/run, whose /lib and /bin are links."""
    stated = {"form": "both", "reference": "acme:1", "architecture": "arm64", "command": ("/app/run",), **facts}
    layers = tuple(
        LayerFacts(digest=f"sha256:{number}", packing=each, size_bytes=1) for number, each in enumerate(packings)
    )
    base = (DYNAMIC_LOADER, libc(glibc)) if glibc else ()
    return TreeFacts(
        path="image.tar",
        kind="image",
        elves=(*base, program("app/run"), *elves),
        others=others,
        links={"lib": "usr/lib", "bin": "usr/bin"},
        system=True,
        loader_path=("usr/lib",),
        image=ImageFacts(path=("/bin",), layers=layers, **stated),  # type: ignore[arg-type]
    )


def findings(tree: TreeFacts, engine: EngineFacts | str | None = ENGINE, **box: object) -> list[tuple[str, str, str]]:
    contract = msgspec.structs.replace(BOX, engine=engine, **box)
    return [(each.code, each.severity, each.message) for each in check_image(tree, Provided(contract=contract))]


def codes(tree: TreeFacts, engine: EngineFacts | str | None = ENGINE, **box: object) -> list[tuple[str, str]]:
    return [(code, severity) for code, severity, _ in findings(tree, engine, **box)]


def with_engine(**more: object) -> EngineFacts:
    return msgspec.structs.replace(ENGINE, **more)


def test_a_sound_image_passes() -> None:
    assert findings(image()) == []
    assert audit(image(), Provided(contract=BOX)) == ()


# ---- The engine ----


def test_without_a_known_engine_there_is_one_finding_not_ten() -> None:
    assert codes(image(packings=("zstd",), form="oci", glibc="2.36"), None) == [("A128", "unknown")]


def test_a_box_without_an_engine_takes_no_image() -> None:
    assert codes(image(), "none") == [("A128", "error")]


@pytest.mark.parametrize(
    ("engine", "severity"),
    [
        (with_engine(layers=("none", "gzip")), "error"),
        (with_engine(layers=("none", "gzip", "zstd")), None),
        (with_engine(layers=None, version="20.10.24"), "error"),
        (with_engine(layers=None, version="23.0.1"), None),
        (with_engine(layers=None, version=None), "unknown"),
        (with_engine(name="podman", layers=None, version="4.3"), "unknown"),
        (with_engine(name="containerd", layers=None, version="1.4.13"), "error"),
        (with_engine(name="containerd", layers=None, version="1.6"), None),
    ],
    ids=str,
)
def test_layers_in_zstd_are_for_engines_that_know_it(engine: EngineFacts, severity: str | None) -> None:
    assert codes(image(packings=("gzip", "zstd")), engine) == ([("A128", severity)] if severity else [])
    assert codes(image(packings=("gzip", "none")), engine) == []


def test_an_image_that_the_engine_holds_already_is_unpacked() -> None:
    assert codes(image(packings=("zstd",), form="engine")) == []


@pytest.mark.parametrize(
    ("version", "severity"),
    [("20.10.24", "error"), ("24.0", "error"), ("25.0", "unknown"), ("29.0", None), (None, "unknown")],
)
def test_a_layout_without_manifest_json_is_for_newer_engines(version: str | None, severity: str | None) -> None:
    expected = [("A128", severity)] if severity else []
    assert codes(image(form="oci"), with_engine(version=version)) == expected
    assert codes(image(form="docker"), with_engine(version=version)) == []
    assert codes(image(form="oci"), with_engine(name="podman", version=version)) == []


@pytest.mark.parametrize(
    ("glibc", "version", "seccomp", "expected"),
    [
        ("2.31", "19.03", "2.3.3", ""),
        ("2.33", "20.10.0", "2.4.4", ""),
        ("2.33", "19.03.15", "2.5.1", "faccessat2"),
        ("2.33", "20.10.24", "2.4.3", "faccessat2"),
        ("2.34", "20.10.9", "2.5.1", "clone3"),
        ("2.34", "20.10.10", "2.5.0", ""),
        ("2.36", "20.10.24", "2.4.1", "clone3"),
        ("2.36", "20.10.24", "2.4.3", "faccessat2"),
        ("2.36", "20.10.24", None, "unknown"),
        ("2.36", None, "2.5.1", "unknown"),
        ("2.31", None, None, ""),
    ],
)
def test_a_new_c_library_needs_an_engine_that_lets_it_ask(
    glibc: str, version: str | None, seccomp: str | None, expected: str
) -> None:
    found = findings(image(glibc=glibc), with_engine(version=version, seccomp=seccomp))
    if not expected:
        assert found == []
        return
    ((code, severity, message),) = found
    assert (code, severity) == ("A131", "unknown" if expected == "unknown" else "error")
    assert expected == "unknown" or (expected in message and glibc in message)


# ---- What the host lays in ----


def mounted(*files: MountedFile) -> EngineFacts:
    return with_engine(mounts=files)


def test_a_host_library_newer_than_the_image_is_told_with_both() -> None:
    ((code, severity, message),) = findings(image(glibc="2.31"), mounted(ACCEL))
    assert (code, severity) == ("A130", "error")
    assert "needs GLIBC_2.34" in message
    assert "image 'acme:1' has GLIBC_2.31 (usr/lib/libc.so.6)" in message
    (finding,) = check_image(image(), Provided(contract=msgspec.structs.replace(BOX, engine=mounted(ACCEL))))
    assert finding.file == "/usr/lib/accel/libaccel.so.1"
    assert findings(image(glibc="2.34"), mounted(ACCEL)) == []


def test_a_host_library_whose_own_libraries_are_nowhere_is_refused() -> None:
    tracer = msgspec.structs.replace(ACCEL, needed=("libtracer.so.0", "libhost.so.1"), needs={})
    messages = [message for _, _, message in findings(image(), mounted(tracer))]
    assert len(messages) == 2
    assert "libtracer.so.0: neither in image 'acme:1' nor laid in" in messages[0]
    assert "libhost.so.1" in messages[1], "what only the host has is not in the container"
    laid_in = MountedFile(path="/usr/lib/libtracer.so.0")
    assert findings(image(), mounted(msgspec.structs.replace(tracer, needed=("libtracer.so.0",)), laid_in)) == []


def test_a_library_in_a_folder_that_the_loader_does_not_search_does_not_help() -> None:
    tracer = msgspec.structs.replace(ACCEL, needed=("libtracer.so.0",), needs={})
    aside = elf("opt/libtracer.so.0", soname="libtracer.so.0")
    assert codes(image(aside), mounted(tracer)) == [("A130", "error")]
    assert codes(image(aside, ld_library_path=("/opt",)), mounted(tracer)) == []


def test_a_node_family_that_the_image_lacks_altogether_is_refused() -> None:
    cxx = msgspec.structs.replace(ACCEL, needs={"GLIBCXX": "3.4.29"}, needed=())
    assert codes(image(), mounted(cxx)) == [("A130", "error")]
    has = elf("usr/lib/libstdc++.so.6", soname="libstdc++.so.6", defined_versions=("GLIBCXX_3.4.29", "GLIBCXX_3.4"))
    assert codes(image(has), mounted(cxx)) == []


def test_what_only_some_boxes_lay_in_is_not_there_but_may_hide() -> None:
    vision = MountedFile(path="/usr/lib/libvision.so.4", soname="libvision.so.4", provides={"VISION": "4.2"})
    own = elf("usr/lib/libvision.so.4", soname="libvision.so.4", defined_versions=("VISION_4.5",))

    def libraries(tree: TreeFacts, **more: bool) -> dict[str, dict[str, str]]:
        engine = mounted(msgspec.structs.replace(vision, **more))
        return contract_inside(tree, Provided(contract=msgspec.structs.replace(BOX, engine=engine))).contract.libraries

    assert libraries(image())["libvision.so.4"] == {"VISION": "4.2"}
    assert "libvision.so.4" not in libraries(image(), everywhere=False)
    assert libraries(image(own), everywhere=False)["libvision.so.4"] == {"VISION": "4.2"}


def test_unknown_mounts_do_not_pass() -> None:
    assert codes(image(), with_engine(mounts=None)) == [("A130", "unknown")]


def test_mounts_do_not_matter_where_nothing_is_linked_dynamically() -> None:
    static = image(glibc="", command=("/static",))
    static = msgspec.structs.replace(static, elves=(elf("static", kind="executable"),))
    assert codes(static, with_engine(mounts=None)) == []
    assert codes(static, mounted(ACCEL)) == []


def test_a_program_may_need_what_only_the_host_lays_in() -> None:
    user = program(
        "app/user", needed=("libaccel.so.1", "libc.so.6"), needed_versions={"libaccel.so.1": {"ACCEL_1.2": ()}}
    )
    tree = image(user, glibc="2.34")
    assert audit(tree, Provided(contract=msgspec.structs.replace(BOX, engine=mounted(ACCEL)))) == ()
    (finding,) = audit(tree, Provided(contract=BOX))
    assert (finding.code, finding.file) == ("A103", "app/user")


def test_a_program_in_an_image_does_not_find_the_box_s_own_libraries() -> None:
    tree = image(program("app/user", needed=("libhost.so.1", "libc.so.6")))
    assert [each.code for each in audit(tree, Provided(contract=BOX))] == ["A103"]


def test_inside_are_the_image_s_libraries_pythons_and_programs_on_the_box_s_machine() -> None:
    tree = image(
        program("usr/bin/python3.11"),
        elf("usr/lib/libx86.so", machine="EM_X86_64"),
        elf("opt/libaside.so.1"),
        others=(OtherFile(name="usr/bin/tool", kind="script", value="/bin/sh", executable=True),),
    )
    inside = contract_inside(tree, Provided(contract=msgspec.structs.replace(BOX, engine=mounted(ACCEL)))).contract
    assert inside.libraries == {
        "ld-linux-aarch64.so.1": {"GLIBC": "2.17"},
        "libc.so.6": {"GLIBC": "2.31"},
        "libaccel.so.1": {"ACCEL": "1.2"},
    }
    assert inside.pythons is not None
    assert [(each.version, each.soabi) for each in inside.pythons] == [("3.11", "cpython-311-aarch64-linux-gnu")]
    assert inside.programs == ("/app/run", "/bin/python3.11", "/bin/tool", "/usr/bin/python3.11", "/usr/bin/tool")
    assert (inside.glibc, inside.kernel, inside.page_size, inside.cpu) == ("2.31", BOX.kernel, 4096, BOX.cpu)


# ---- Platform and command ----


def test_an_image_for_another_platform_is_refused_by_what_it_says_or_by_what_it_has() -> None:
    assert codes(image(architecture="amd64")) == [("A129", "error")]
    assert codes(image(os="windows")) == [("A129", "error")]
    assert codes(image(architecture="")) == []
    foreign = tuple(msgspec.structs.replace(each, machine="EM_X86_64") for each in image().elves)
    assert codes(msgspec.structs.replace(image(), elves=foreign)) == [("A129", "error")]
    assert codes(image(elf("usr/lib/firmware.so", machine="EM_X86_64"))) == [], "one of many may be for something else"


SCRIPT = OtherFile(name="app/start", kind="script", value="/bin/sh", executable=True)
SHELL = program("usr/bin/dash", also=("usr/bin/sh",))


@pytest.mark.parametrize(
    ("command", "more", "others", "reason"),
    [
        (("/app/run",), (), (), ""),
        (("/app/absent",), (), (), "no such program"),
        (("dash",), (SHELL,), (), ""),
        (("/bin/dash",), (SHELL,), (), ""),
        (("sh",), (), (), "no such program"),
        (("/app/data",), (elf("app/data"),), (), "x-bit"),
        (("/app/start",), (SHELL,), (SCRIPT,), "its interpreter /bin/sh is not"),
        (("/app/odd",), (program("app/odd", interpreter="/lib64/ld.so"),), (), "its loader /lib64/ld.so is not"),
        (
            ("/app/start",),
            (program("usr/bin/env"),),
            (msgspec.structs.replace(SCRIPT, value="/usr/bin/env python3"),),
            "its interpreter python3 is not",
        ),
    ],
    ids=["there", "absent", "by name", "through a link", "not there", "no x-bit", "script", "loader", "env"],
)
def test_the_command_can_be_started(
    command: tuple[str, ...], more: tuple[ElfFacts, ...], others: tuple[OtherFile, ...], reason: str
) -> None:
    found = findings(image(*more, others=others, command=command))
    assert [code for code, _, _ in found] == (["A137"] if reason else [])
    assert all(reason in message for _, _, message in found)


def test_a_script_whose_shell_is_a_link_can_be_started() -> None:
    tree = image(SHELL, others=(SCRIPT,), command=("/app/start",))
    tree = msgspec.structs.replace(tree, links={**tree.links, "usr/bin/sh": "usr/bin/dash"})
    assert findings(tree) == []


def test_an_image_without_a_command_is_worth_a_word() -> None:
    assert codes(image(command=())) == [("A137", "advice")]
