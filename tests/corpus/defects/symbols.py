"""Symbols and their versions: newer than the box, absent, private, or above our own floor."""

from __future__ import annotations

from pathlib import Path

from tests.corpus.model import Expect, Group, Made
from tests.corpus.shop import Shop

GROUP = Group("Symbols")
POWER = "#include <math.h>\n#include <stdlib.h>\nint main(int n, char **v) { return (int)pow(atof(v[0]), n); }\n"
ENTROPY = "#include <stdlib.h>\nunsigned entropy_seed(void) { return arc4random(); }\n"
TWO_NODES = "X_1 { global: x_open; local: *; };\nX_2 { global: x_reset; } X_1;\n"
ONE_NODE = "X_1 { global: x_open; local: *; };\n"
BOTH = "void x_open(void) {}\nvoid x_reset(void) {}\n"
CALLS_RESET = "void x_reset(void);\nvoid go(void) { x_reset(); }\n"


@GROUP.defect(
    Expect("A102", "bin/tool", ("pow", "GLIBC_2.29", "libm.so.6", "2.27"), ("2.27|older|sysroot|floor",), symbol="pow"),
    contract="old-box",
)
def newer_mathematics(shop: Shop) -> None:
    """pow() got a second version in glibc 2.29; linked for 2.31, for a box with 2.27."""
    shop.zig("bin/tool", POWER, "-lm", libc="gnu.2.31")


@GROUP.defect(
    Expect("A102", "tool", ("__libc_start_main", "GLIBC_2.34", "libc.so.6"), ("older|sysroot|floor",)),
    contract="debian-11-box",
)
def linked_on_the_desk(shop: Shop) -> Path:
    """The simplest program, linked on a newer distribution: its start code alone needs GLIBC_2.34."""
    return shop.gcc("tool", "int main(void) { return 0; }\n")


@GROUP.defect(
    Expect("A102", "lib/libshow.so", ("GLIBCXX_3.4.29", "libstdc++.so.6", "3.4.25"), ("libstdc|gcc|compiler|static",)),
    contract="old-box",
)
def newer_cxx_library(shop: Shop) -> None:
    """std::to_chars of a double lives in libstdc++ since GCC 11; the box has GCC 8's."""
    source = (
        "#include <charconv>\n"
        'extern "C" int shown(char *to, double value) { return std::to_chars(to, to + 40, value).ptr - to; }\n'
    )
    shop.gxx("lib/libshow.so", source, "-shared", "-fPIC", "-std=c++17")


@GROUP.defect(
    Expect("A102", "lib/libkeep.so", ("CXXABI_1.3.13", "libstdc++.so.6", "1.3.12"), ("libstdc|gcc|compiler|static",)),
    contract="debian-11-box",
)
def newer_cxx_abi(shop: Shop) -> None:
    """Copying a std::exception_ptr became a call into the library with GCC 11, as CXXABI_1.3.13."""
    source = "#include <exception>\nstd::exception_ptr kept(const std::exception_ptr &error) { return error; }\n"
    shop.gxx("lib/libkeep.so", source, "-shared", "-fPIC")


@GROUP.defect(
    Expect("A102", "lib/libhalf.so", ("GCC_11.0", "libgcc_s.so.1", "7.0.0"), ("gcc|static-libgcc|compiler",)),
    contract="debian-11-box",
)
def newer_compiler_runtime(shop: Shop) -> None:
    """Converting 16-bit floats to 128-bit integers is a function of GCC 11's libgcc_s; it was not linked statically."""
    source = "__int128 __fixhfti(_Float16);\n__int128 whole(_Float16 value) { return __fixhfti(value); }\n"
    runtime = "/usr/aarch64-linux-gnu/lib/libgcc_s.so.1"
    shop.library("lib/libhalf.so", source, runtime, "-shared-libgcc")


@GROUP.defect(
    Expect(
        "A102",
        "lib/libfilter.so",
        ("arc4random", "GLIBC_2.36"),
        ("libentropy.a|rebuild",),
        symbol="arc4random",
        origin=("libentropy.a", "entropy.o"),
    ),
    contract="debian-11-box",
)
def static_library_pulls_a_newer_symbol(shop: Shop) -> Made:
    """Our code is innocent: a member of a static library calls arc4random(), new in glibc 2.36. The link map tells."""
    entropy = shop.gcc(shop.bench / "entropy.o", ENTROPY, "-c", "-fPIC")
    other = shop.gcc(shop.bench / "other.o", "int other(void) { return 3; }\n", "-c", "-fPIC")
    shop.call("aarch64-linux-gnu-ar", "rcs", "../libentropy.a", other, entropy)
    source = "unsigned entropy_seed(void);\nunsigned filter(void) { return entropy_seed() & 1; }\n"
    link_map = shop.folder / "maps" / "filter.map"  # ../libentropy.a is the same file from the bench
    link_map.parent.mkdir()
    shop.library("lib/libfilter.so", source, "../libentropy.a", f"-Wl,-Map={link_map}")
    return Made(shop.tree, ("--link-map", str(link_map)))


@GROUP.defect(
    Expect("A102", "lib/libspy.so", ("GLIBC_PRIVATE", "__libc_fcntl64|libc.so.6"), ("private|public|glibc",)),
    contract="debian-12-box",
)
def private_symbol_of_the_c_library(shop: Shop) -> None:
    """A symbol of GLIBC_PRIVATE fits the very glibc that it was linked with, and nothing says whether this is it."""
    shop.library("lib/libspy.so", "int __libc_fcntl64(int, int);\nint spy(void) { return __libc_fcntl64(0, 1); }\n")


@GROUP.defect(
    Expect("A102", "lib/libuser.so", ("X_2", "libx.so.1"), ("libx.so.1|bundle|newer|same|rebuil|relink|ship",)),
    contract="debian-12-box",
    also=("A110",),
)
def bundled_library_of_an_older_release(shop: Shop) -> None:
    """Linked with release 2 of a library, packed with release 1 of it."""
    new = _library_with_versions(shop, "libx.so.1", BOTH, TWO_NODES)
    shop.library("lib/libuser.so", CALLS_RESET, new, "-Wl,-rpath,$ORIGIN")
    old = _library_with_versions(shop, "libx.so.1", BOTH, ONE_NODE)
    old.replace(shop.place("lib/libx.so.1"))


@GROUP.defect(
    Expect(
        "A110",
        "lib/libuser.so",
        ("x_reset", "X_2|libx.so.1"),
        ("libx.so.1|bundle|version|same|rebuil|relink|ship|newer",),
    ),
    contract="debian-12-box",
)
def bundled_library_has_the_node_without_the_symbol(shop: Shop) -> None:
    """The bundled library defines node X_2, so the loader starts, and lacks the one symbol of it that is called."""
    new = _library_with_versions(shop, "libx.so.1", BOTH, TWO_NODES)
    shop.library("lib/libuser.so", CALLS_RESET, new, "-Wl,-rpath,$ORIGIN")
    versions = TWO_NODES.replace("x_reset", "x_other")
    other = _library_with_versions(shop, "libx.so.1", BOTH.replace("x_reset", "x_other"), versions)
    other.replace(shop.place("lib/libx.so.1"))


@GROUP.defect(
    Expect("A110", "lib/libplugin.so", ("frame_resize",), ("librar|link",), symbol="frame_resize"),
    contract="debian-12-box",
)
def forgotten_library(shop: Shop) -> None:
    """A shared library may be linked with holes; this one's was never filled."""
    shop.library("lib/libplugin.so", "void frame_resize(int);\nvoid plugin(void) { frame_resize(2); }\n")


@GROUP.defect(
    Expect(
        "A110",
        "lib/libdetect.so",
        ("accel_reset", "libaccel.so.1"),
        ("libaccel.so.1|SDK|vendor",),
        symbol="accel_reset",
    ),
    contract="vendor-box",
)
def newer_sdk_than_the_driver(shop: Shop) -> None:
    """The vendor's libraries have no versions: only their exported symbols tell that the box's release is older."""
    names = "void accel_open(void) {}\nvoid accel_run(void) {}\nvoid accel_reset(void) {}\n"
    sdk = shop.library(shop.bench / "libaccel.so.1", names)
    source = "void accel_open(void);\nvoid accel_reset(void);\nvoid go(void) { accel_open(); accel_reset(); }\n"
    shop.library("lib/libdetect.so", source, sdk)


@GROUP.defect(
    Expect("A110", "lib/libdetect.so", ("unread_go|libunread.so.2",), ("probe|symbols|contract",), severity="unknown"),
    contract="vendor-box",
)
def vendor_library_nobody_has_read(shop: Shop) -> None:
    """The box has the library; the contract does not say which symbols are in it."""
    sdk = shop.library(shop.bench / "libunread.so.2", "void unread_go(void) {}\n")
    shop.library("lib/libdetect.so", "void unread_go(void);\nvoid go(void) { unread_go(); }\n", sdk)


@GROUP.defect(
    Expect("A102", "lib/libuser.so", ("SILENT_2", "libsilent.so.4"), ("probe|contract",), severity="unknown"),
    contract="silent-box",
    also=("A110",),
)
def versions_of_a_silent_library(shop: Shop) -> None:
    """It needs SILENT_2 of a library whose versions the contract does not state."""
    versions = "SILENT_2 { global: silent_go; local: *; };\n"
    stand_in = _library_with_versions(shop, "libsilent.so.4", "void silent_go(void) {}\n", versions)
    shop.library("lib/libuser.so", "void silent_go(void);\nvoid go(void) { silent_go(); }\n", stand_in)


@GROUP.defect(
    Expect("A104", "bin/tool", ("pow", "GLIBC_2.29", "2.17"), ("2.17|floor",)),
    contract="debian-11-box",
    floor="2.17",
)
def above_our_own_floor(shop: Shop) -> None:
    """It would load on the row's boxes (glibc 2.31), and everything of ours promises glibc 2.17."""
    shop.zig("bin/tool", POWER, "-lm", libc="gnu.2.31")


def _library_with_versions(shop: Shop, name: str, source: str, versions: str) -> Path:
    """On the bench, to be linked with or to be shipped instead."""
    script = shop.bench / f"{name}.map"
    script.write_text(versions)
    return shop.library(shop.bench / name, source, f"-Wl,--version-script={script}")
