"""What of a box's root makes a sysroot, where it goes, and which links survive: pure, on listings."""

from __future__ import annotations

import pytest

from edgebuild.build.sysroot_links import Plan, merged_path, plan_import, relative_target, without_link
from edgebuild.build.sysroot_select import kind_of
from edgebuild.model.rootfile import ImportWish, RootFile

LIB = "usr/lib/aarch64-linux-gnu"
GCC = "usr/lib/gcc/aarch64-linux-gnu/10"
PLAIN = ImportWish()


def file(path: str, size_bytes: int = 100) -> RootFile:
    return RootFile(path, size_bytes)


def link(path: str, target: str) -> RootFile:
    return RootFile(path, link=target)


def plan(*listed: RootFile, wish: ImportWish = PLAIN, searched: tuple[str, ...] = ()) -> Plan:
    return plan_import(listed, wish, "aarch64", searched)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("usr/include/stdio.h", "header"),
        ("usr/include/c++/10/iostream", "header"),
        ("usr/local/include/acme/api.hpp", "header"),
        ("usr/include/python3.9/Python.h", "header"),
        (f"{LIB}/libz.so", "library"),
        (f"{LIB}/libz.so.1.2.11", "library"),
        ("usr/lib/libacme.so", "library"),
        ("usr/lib64/libm.so.6", "library"),
        (f"{LIB}/ld-2.31.so", "library"),
        (f"{LIB}/crt1.o", "start"),
        (f"{LIB}/Scrt1.o", "start"),
        (f"{GCC}/crtbeginS.o", "start"),
        (f"{GCC}/libgcc.a", "static"),
        (f"{GCC}/include/arm_neon.h", "compiler"),
        (f"{LIB}/libc_nonshared.a", "static"),
        (f"{LIB}/pkgconfig/zlib.pc", "description"),
        ("usr/share/pkgconfig/eigen3.pc", "description"),
        (f"{LIB}/cmake/expat-2.2.10/expat.cmake", "description"),
        ("usr/share/eigen3/cmake/Eigen3Config.cmake", "description"),
        ("etc/ld.so.conf.d/acme.conf", "system"),
        ("etc/os-release", "system"),
        ("etc/ld.so.cache", "system"),
        ("usr/lib/aarch64-poky-linux/9.3.0/include/arm_neon.h", "compiler"),
        ("usr/lib/aarch64-poky-linux/9.3.0/libgcc.a", "static"),
        # What stays on the box.
        (f"{GCC}/cc1plus", None),
        (f"{GCC}/liblto_plugin.so", None),
        (f"{GCC}/plugin/include/tree.h", None),
        (f"{LIB}/gconv/ISO8859-1.so", None),
        ("usr/lib/firmware/acme.so", None),
        ("usr/lib/modules/5.10/kernel/acme.o", None),
        ("usr/lib/python3/dist-packages/numpy/core.so", None),
        ("usr/lib/python3.9/lib-dynload/_ssl.so", None),
        (f"{LIB}/libstdc++.so.6.0.28-gdb.py", None),
        ("usr/share/cmake-3.18/Modules/FindZLIB.cmake", None),
        ("usr/bin/gcc", None),
        ("etc/passwd", None),
        ("opt/acme/include/acme.h", None),
    ],
)
def test_a_name_says_what_a_file_is_to_a_sysroot(path: str, kind: str | None) -> None:
    assert kind_of(path, PLAIN) == kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("opt/acme/include/acme", "header"),
        ("opt/acme/lib/libacme.so.2", "library"),
        ("opt/acme/lib/libacme.a", "library"),
        ("opt/acme/share/acme.cmake", "description"),
        ("opt/acme/bin/tool", None),
        ("opt/acmeplus/include/acme.h", None),
    ],
)
def test_an_sdk_is_taken_where_it_is_asked_for(path: str, kind: str | None) -> None:
    assert kind_of(path, ImportWish(also=("opt/acme",))) == kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("usr/bin/python3.9", "python"),
        ("usr/bin/python3-config", None),
        ("usr/lib/python3.9/json/decoder.py", "python"),
        ("usr/lib/python3.9/lib-dynload/_ssl.cpython-39-aarch64-linux-gnu.so", "python"),
        ("usr/lib/python3.9/test/test_json.py", None),
        ("usr/lib/python3/dist-packages/numpy/core.so", None),
        ("usr/lib/python3.9/config-3.9-aarch64-linux-gnu/libpython3.9.a", None),
    ],
)
def test_python_comes_without_what_was_installed_into_it(path: str, kind: str | None) -> None:
    assert kind_of(path, ImportWish(python=True)) == kind


def test_a_folder_of_the_loader_is_searched_too() -> None:
    found = plan(file("opt/vendor/lib/libnpu.so.1"), file("opt/vendor/lib/sub/libno.so"), searched=("opt/vendor/lib",))
    assert set(found.files) == {"opt/vendor/lib/libnpu.so.1"}


def test_libraries_of_another_machine_stay_there() -> None:
    found = plan(
        file(f"{LIB}/libz.so.1"), file("usr/lib/arm-linux-gnueabihf/libz.so.1"), file("usr/include/i386-linux-gnu/a.h")
    )
    assert set(found.files) == {f"{LIB}/libz.so.1"}


def test_a_split_root_is_merged() -> None:
    """Real folders /lib and /usr/lib, as before usr-merge; each link is led to where its library has gone."""
    found = plan(
        file("lib/aarch64-linux-gnu/libz.so.1.2.11"),
        link("lib/aarch64-linux-gnu/libz.so.1", "libz.so.1.2.11"),
        link(f"{LIB}/libz.so", "/lib/aarch64-linux-gnu/libz.so.1.2.11"),
        link("lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu/ld-2.31.so"),
        file("lib/aarch64-linux-gnu/ld-2.31.so"),
    )
    assert found.links == {
        f"{LIB}/libz.so.1": f"{LIB}/libz.so.1.2.11",
        f"{LIB}/libz.so": f"{LIB}/libz.so.1.2.11",
        "usr/lib/ld-linux-aarch64.so.1": f"{LIB}/ld-2.31.so",
    }
    assert relative_target(f"{LIB}/libz.so", found.links[f"{LIB}/libz.so"]) == "libz.so.1.2.11"
    assert relative_target("usr/lib/ld-linux-aarch64.so.1", f"{LIB}/ld-2.31.so") == "aarch64-linux-gnu/ld-2.31.so"


def test_split_and_merged_roots_give_the_same_plan() -> None:
    merged = plan(link("lib", "usr/lib"), file(f"{LIB}/libc.so.6"), link(f"{LIB}/libc.so", "/lib/libx/../libc.so.6"))
    split = plan(file("lib/aarch64-linux-gnu/libc.so.6"), link(f"{LIB}/libc.so", "/usr/lib/libc.so.6"))
    assert set(merged.files) == set(split.files)
    assert merged.links == split.links, "repaired alike"


def test_a_link_from_usr_to_the_same_name_in_lib_is_one_place() -> None:
    found = plan(link(f"{LIB}/libz.so.1", "/lib/aarch64-linux-gnu/libz.so.1"), file("lib/aarch64-linux-gnu/libz.so.1"))
    assert set(found.files) == {f"{LIB}/libz.so.1"} and found.links == {}


def test_of_two_files_in_one_place_that_of_lib_is_taken_and_told() -> None:
    found = plan(file(f"{LIB}/libz.so.1", 1), file("lib/aarch64-linux-gnu/libz.so.1", 2))
    assert found.files[f"{LIB}/libz.so.1"].size_bytes == 2 and found.doubles == (f"{LIB}/libz.so.1",)


def test_links_through_alternatives_are_kept_whole() -> None:
    found = plan(
        link(f"{LIB}/libblas.so.3", "/etc/alternatives/libblas.so.3-aarch64-linux-gnu"),
        link("etc/alternatives/libblas.so.3-aarch64-linux-gnu", f"/{LIB}/blas/libblas.so.3"),
        link("etc/alternatives/editor", "/usr/bin/vim"),
        file(f"{LIB}/blas/libblas.so.3"),
    )
    assert set(found.links) == {f"{LIB}/libblas.so.3", "etc/alternatives/libblas.so.3-aarch64-linux-gnu"}


def test_what_a_link_leads_to_is_asked_for() -> None:
    found = plan(link(f"{LIB}/libnpu.so", "/opt/vendor/current/libnpu.so.1"))
    assert found.unknown == ("opt/vendor/current/libnpu.so.1",) and found.links == {}
    more = plan(
        link(f"{LIB}/libnpu.so", "/opt/vendor/current/libnpu.so.1"),
        link("opt/vendor/current", "7.1"),
        file("opt/vendor/7.1/libnpu.so.1"),
    )
    assert set(more.files) == {"opt/vendor/7.1/libnpu.so.1"} and more.unknown == ()
    assert more.links["opt/vendor/current"] == "opt/vendor/7.1"


def test_headers_behind_a_link_to_a_folder_are_taken() -> None:
    found = plan(link("usr/include/npu", "/opt/vendor/include"), file("opt/vendor/include/npu.h"))
    assert set(found.files) == {"opt/vendor/include/npu.h"} and found.links == {"usr/include/npu": "opt/vendor/include"}


def test_a_link_to_a_folder_of_libraries_is_kept() -> None:
    found = plan(link("usr/lib/gcc/aarch64-linux-gnu/10.2.1", "10"), file(f"{GCC}/libgcc_s.so"))
    assert found.links == {"usr/lib/gcc/aarch64-linux-gnu/10.2.1": GCC}


def test_a_development_link_that_leads_nowhere_is_led_to_the_one_library_of_its_name() -> None:
    found = plan(
        link(f"{LIB}/libfoo.so", "libfoo.so.1.2.4"), link(f"{LIB}/libfoo.so.1", "libfoo.so.1.2.3"),
        file(f"{LIB}/libfoo.so.1.2.3"),
    )  # fmt: skip
    assert found.repaired == {f"{LIB}/libfoo.so": f"{LIB}/libfoo.so.1"} and found.nowhere == {}


def test_where_two_libraries_could_be_meant_nothing_is_guessed() -> None:
    found = plan(
        link(f"{LIB}/libfoo.so", "libfoo.so.3"), file(f"{LIB}/libfoo.so.1"), file(f"{LIB}/libfoo.so.2"),
        link("usr/include/gone.h", "/nowhere/gone.h"),
    )  # fmt: skip
    assert set(found.nowhere) == {f"{LIB}/libfoo.so", "usr/include/gone.h"} and found.links == {}


def test_links_in_a_circle_end() -> None:
    assert plan(link(f"{LIB}/liba.so", "libb.so"), link(f"{LIB}/libb.so", "liba.so")).links == {}


def test_what_led_to_a_dropped_file_goes_with_it() -> None:
    whole = plan(link(f"{LIB}/libx.so.1", "libx.so.1.0"), file(f"{LIB}/libx.so.1.0"), file(f"{LIB}/liby.so.1"))
    found = whole.without([f"{LIB}/libx.so.1.0"])
    assert set(found.files) == {f"{LIB}/liby.so.1"} and found.links == {} and set(found.kinds) == {f"{LIB}/liby.so.1"}


def test_large_static_libraries_stay_unless_asked_for() -> None:
    listed = [
        file(f"{LIB}/libc.a", 5_000_000),
        file(f"{LIB}/libdl.a", 8),
        file(f"{LIB}/libc_nonshared.a", 20_000),
        file(f"{GCC}/libgcc_eh.a", 300_000),
        file(f"{GCC}/libasan.a", 3_000_000),
    ]
    few, all_of_them = plan(*listed), plan(*listed, wish=ImportWish(static=True))
    assert set(few.files) == {f"{LIB}/libdl.a", f"{LIB}/libc_nonshared.a", f"{GCC}/libgcc_eh.a"}
    assert few.statics == {f"{LIB}/libc.a": 5_000_000, f"{GCC}/libasan.a": 3_000_000}
    assert len(all_of_them.files) == 5 and all_of_them.statics == {}


def test_a_library_with_headers_but_without_its_link_is_told() -> None:
    found = plan(
        file("usr/include/foo.h"), file(f"{LIB}/libfoo.so.1"), file(f"{LIB}/libfoo.so.1.2"),
        file("usr/include/bar/bar.h"), file(f"{LIB}/libbar.so.2"), link(f"{LIB}/libbar.so", "libbar.so.2"),
        file(f"{LIB}/libprivate.so.5"),
        file("usr/include/pthread.h"), file(f"{LIB}/libpthread.so.0"), file(f"{LIB}/libpthread.a", 8),
    )  # fmt: skip
    assert without_link(found) == ("libfoo.so.1",)


@pytest.mark.parametrize(
    ("path", "merged"),
    [
        ("lib/x", "usr/lib/x"),
        ("lib64", "usr/lib64"),
        ("bin/sh", "usr/bin/sh"),
        ("usr/lib/x", "usr/lib/x"),
        ("library/x", "library/x"),
        ("../../lib//x/./y", "usr/lib/x/y"),
        ("", ""),
    ],
)
def test_the_merged_place_of_a_path(path: str, merged: str) -> None:
    assert merged_path(path) == merged


def test_lib64_that_is_a_link_to_lib_stays_one() -> None:
    found = plan(link("lib64", "lib"), link("usr/lib64", "lib"), file("usr/lib/libc.so.6"))
    assert found.links == {"usr/lib64": "usr/lib"} and set(found.files) == {"usr/lib/libc.so.6"}
