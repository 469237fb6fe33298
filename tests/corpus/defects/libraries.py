"""Which libraries are found, from where, and which of them meet in one process."""

from __future__ import annotations

from pathlib import Path

from tests.corpus.model import HOME, Expect, Group
from tests.corpus.shop import Shop

GROUP = Group("Libraries")
CODEC = "int decode(void) { return 1; }\n"
CALLS_CODEC = "int decode(void);\nint main(void) { return decode(); }\n"


@GROUP.defect(
    Expect("A103", "bin/tool", ("libcodec.so.4",), ("bundle|ship|install|RUNPATH|static",)), contract="debian-12-box"
)
def library_that_is_nowhere(shop: Shop) -> Path:
    """The library was on the build machine, and is neither in the tarball nor on the box."""
    codec = shop.library(shop.bench / "libcodec.so.4", CODEC)
    shop.gcc("bin/tool", CALLS_CODEC, codec)
    return shop.pack("tool-1.0.tar.gz")


@GROUP.defect(Expect("A103", "bin/tool", ("libssl.so.3",), ("libssl.so.1.1",)), contract="old-box")
def other_major_of_a_library(shop: Shop) -> None:
    """It needs OpenSSL 3; the box has OpenSSL 1.1, and the remedy should say so."""
    tls = shop.library(shop.bench / "libssl.so.3", CODEC)
    shop.zig("bin/tool", CALLS_CODEC, tls)


@GROUP.defect(
    Expect("A103", "bin/tool", ("libcodec.so.4",), ("RUNPATH|ORIGIN|rpath",)),
    contract="debian-12-box",
)
def bundled_where_nobody_looks(shop: Shop) -> None:
    """The library is in the tree, and the program has no RUNPATH that leads to it."""
    codec = shop.library("lib/libcodec.so.4", CODEC)
    shop.gcc("bin/tool", CALLS_CODEC, codec)


@GROUP.defect(
    Expect("A103", "lib/libfilter.so", ("libcodec.so.4",), ("RUNPATH|ORIGIN|rpath",)),
    contract="debian-12-box",
)
def runpath_does_not_serve_libraries(shop: Shop) -> None:
    """The program's RUNPATH finds its library, and does not count for what that library needs."""
    codec = shop.library("lib/libcodec.so.4", CODEC)
    filter_ = shop.library("lib/libfilter.so", "int decode(void);\nint filter(void) { return decode(); }\n", codec)
    source = "int filter(void);\nint main(void) { return filter(); }\n"
    shop.gcc("bin/tool", source, filter_, "-Wl,-rpath,$ORIGIN/../lib", "-Wl,--allow-shlib-undefined")


@GROUP.defect(
    Expect("A103", "bin/tool", ("libcodec.so.4",), ("libcodec.so.4.2.1|link|symlink|name",)), contract="debian-12-box"
)
def link_that_was_not_packed(shop: Shop) -> None:
    """libcodec.so.4.2.1 is packed; the link libcodec.so.4, which the loader asks for, is not."""
    codec = shop.library("lib/libcodec.so.4.2.1", CODEC, soname="libcodec.so.4")
    shop.gcc("bin/tool", CALLS_CODEC, codec, "-Wl,-rpath,$ORIGIN/../lib")


@GROUP.defect(
    Expect("A103", "bin/tool", ("../tree/lib/libcodec.so",), ("soname|relink|name|bundle",)),
    contract="debian-12-box",
    also=("A105",),
)
def library_without_a_name(shop: Shop) -> None:
    """Linked by its path and without a SONAME, so the path of the build tree is what the loader is asked for."""
    shop.gcc("lib/libcodec.so", CODEC, "-shared", "-fPIC")
    shop.gcc("bin/tool", CALLS_CODEC, "../tree/lib/libcodec.so", "-Wl,-rpath,$ORIGIN/../lib")


@GROUP.defect(
    Expect("A136", "lib/libcodec.so.4", ("libcodec.so.4.2.0",), ("link|target|pack|copy",)),
    contract="debian-12-box",
    also=("A103",),
)
def link_to_the_release_before(shop: Shop) -> None:
    """The link is packed, and still leads to the release before."""
    codec = shop.library("lib/libcodec.so.4.2.1", CODEC, soname="libcodec.so.4")
    shop.gcc("bin/tool", CALLS_CODEC, codec, "-Wl,-rpath,$ORIGIN/../lib")
    shop.link("lib/libcodec.so.4", "libcodec.so.4.2.0")


@GROUP.defect(
    Expect("A136", "share/models/current", (f"{HOME}/models/v7",), ("link|relative|pack|copy",), severity="advice"),
    contract="debian-12-box",
)
def link_into_a_home(shop: Shop) -> None:
    """An absolute link, which may be there on the box or not: a word, because packages have many that are."""
    shop.gcc("bin/tool", "int main(void) { return 0; }\n")
    shop.link("share/models/current", f"{HOME}/models/v7")


@GROUP.defect(Expect("A105", "bin/tool", (f"{HOME}/sysroot/usr/lib",), ("ORIGIN|relative",)), contract="debian-12-box")
def runpath_into_a_home(shop: Shop) -> None:
    """The build tree's library folder stayed in RUNPATH."""
    shop.gcc("bin/tool", "int main(void) { return 0; }\n", f"-Wl,-rpath,{HOME}/sysroot/usr/lib")


@GROUP.defect(
    Expect("A105", "lib/libcodec.so", ("/usr/local/vendor/lib", "RPATH"), ("ORIGIN|relative",)),
    contract="debian-11-box",
    floor="2.17",
)
def old_rpath_into_the_system(shop: Shop) -> None:
    """DT_RPATH of a build of ours, which even LD_LIBRARY_PATH cannot overrule, names an absolute folder."""
    shop.library("lib/libcodec.so", CODEC, "-Wl,--disable-new-dtags", "-Wl,-rpath,/usr/local/vendor/lib")


@GROUP.defect(Expect("A105", "bin/tool", hint=("ORIGIN|empty|entry|colon",)), contract="debian-12-box")
def empty_runpath_entry(shop: Shop) -> None:
    """A trailing colon: an empty entry is whatever folder the program is started in."""
    shop.gcc("bin/tool", "int main(void) { return 0; }\n", "-Wl,-rpath,$ORIGIN/../lib:")


@GROUP.defect(Expect("A105", "bin/tool", ("../../../..",), ("ORIGIN|tree|inside",)), contract="debian-12-box")
def runpath_out_of_the_tree(shop: Shop) -> None:
    """$ORIGIN/../../../../lib leads out of the folder that ships."""
    shop.gcc("bin/tool", "int main(void) { return 0; }\n", "-Wl,-rpath,$ORIGIN/../../../../lib")


@GROUP.defect(
    Expect("A116", "", ("libavcodec.so.59", "libavcodec.so.58"), ("one|same|version|box",)), contract="vendor-box"
)
def two_copies_of_a_codec_library(shop: Shop) -> None:
    """Ours is bundled; the preview library of a partner was linked with the box's: both are loaded."""
    ours = _avcodec(shop, "lib/libavcodec.so.59", 59)
    theirs = _avcodec(shop, "", 58)
    calls = "int avcodec_open2(void);\nint {name}(void) {{ return avcodec_open2(); }}\n"
    origin = "-Wl,-rpath,$ORIGIN"
    preview = shop.library("lib/libpreview.so", calls.format(name="preview"), theirs, origin)
    source = "int avcodec_open2(void);\nint preview(void);\nint decode(void) { return avcodec_open2() + preview(); }\n"
    shop.library("lib/libdecode.so", source, ours, preview, origin, "-Wl,--allow-shlib-undefined")


@GROUP.defect(Expect("A116", "", ("libproto.so.23", "libproto.so.32"), ("one|same|version",)), contract="debian-12-box")
def two_majors_bundled(shop: Shop) -> None:
    """Two third-party libraries, each with its own major of one library that keeps a global registry."""
    origin = "-Wl,-rpath,$ORIGIN"
    calls = "int proto(void);\nint {name}(void) {{ return proto(); }}\n"
    parts = []
    for name, major in (("infer", 23), ("report", 32)):
        proto = shop.library(f"lib/libproto.so.{major}", f"int proto(void) {{ return {major}; }}\n")
        parts.append(shop.library(f"lib/lib{name}.so", calls.format(name=name), proto, origin))
    source = "int infer(void);\nint report(void);\nint main(void) { return infer() + report(); }\n"
    shop.gcc("bin/tool", source, *parts, "-Wl,-rpath,$ORIGIN/../lib", "-Wl,-rpath-link,../tree/lib")


@GROUP.defect(
    Expect("A117", "", ("libdetect.so", "std::__1|libc++"), ("C interface|extern|same|libstdc|one",)),
    contract="debian-12-box",
    also=("A110",),
)
def two_cxx_runtimes(shop: Shop) -> None:
    """The library speaks libc++'s std::string, its caller libstdc++'s: two layouts under one name."""
    source = "#include <string>\n#include <vector>\nnamespace detect {{ {open} }}\n"
    library = 'std::string label(const std::vector<std::string> &all) { return all.empty() ? "" : all[0]; }'
    made = shop.zig_cxx("lib/libdetect.so", source.format(open=library), "-shared", "-fPIC", "-Wl,-soname,libdetect.so")
    call = "std::string label(const std::vector<std::string> &all);"
    caller = source.format(open=call) + 'int named() { return detect::label({"face"}).size(); }\n'
    shop.gxx("lib/libapp.so", caller, "-shared", "-fPIC", made, "-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed", "-lc")


STRINGS = "#include <string>\nnamespace sdk { std::string load(const std::string &path); }\n"


@GROUP.defect(
    Expect("A118", "lib/libapp.so", ("libsdk.so", "load"), ("_GLIBCXX_USE_CXX11_ABI",)),
    contract="debian-12-box",
    also=("A110",),
)
def old_string_in_a_bundled_library(shop: Shop) -> None:
    """The partner compiled with _GLIBCXX_USE_CXX11_ABI=0, we with the default: load(std::string) is two functions."""
    library = STRINGS + "std::string sdk::load(const std::string &path) { return path; }\n"
    sdk = shop.gxx("lib/libsdk.so", library, "-shared", "-fPIC", "-D_GLIBCXX_USE_CXX11_ABI=0", "-Wl,-soname,libsdk.so")
    caller = STRINGS + 'int opened() { return sdk::load("x").size(); }\n'
    shop.gxx("lib/libapp.so", caller, "-shared", "-fPIC", sdk, "-Wl,-rpath,$ORIGIN")


@GROUP.defect(
    Expect("A118", "lib/libapp.so", ("libvendorcv.so.3", "load"), ("_GLIBCXX_USE_CXX11_ABI",)),
    contract="vendor-box",
    also=("A110",),
)
def old_string_on_the_box(shop: Shop) -> None:
    """The same with the vendor's library on the box, of which only the exported symbols are known."""
    header = "#include <string>\nnamespace vendorcv { int load(const std::string &path); }\n"
    stand_in = shop.gxx(
        shop.bench / "libvendorcv.so.3",
        header + "int vendorcv::load(const std::string &path) { return 1; }\n",
        *("-shared", "-fPIC", "-Wl,-soname,libvendorcv.so.3"),
    )
    caller = header + "int opened(const std::string &path) { return vendorcv::load(path); }\n"
    shop.gxx("lib/libapp.so", caller, "-shared", "-fPIC", stand_in)


@GROUP.defect(
    Expect("A118", "lib/libapp.so", ("libsdk.so", "title"), ("_GLIBCXX_USE_CXX11_ABI",)),
    contract="debian-12-box",
    also=("A110",),
)
def new_string_for_an_old_caller(shop: Shop) -> None:
    """The reverse, and by the return value alone: title[abi:cxx11]() is asked for as title()."""
    header = "#include <string>\nnamespace sdk { std::string title(); }\n"
    library = header + 'std::string sdk::title() { return "sdk"; }\n'
    sdk = shop.gxx("lib/libsdk.so", library, "-shared", "-fPIC", "-Wl,-soname,libsdk.so")
    caller = header + "int opened() { return sdk::title().size(); }\n"
    old = "-D_GLIBCXX_USE_CXX11_ABI=0"
    shop.gxx("lib/libapp.so", caller, "-shared", "-fPIC", old, sdk, "-Wl,-rpath,$ORIGIN")


@GROUP.defect(
    Expect("A119", "lib/libbackend.so", ("libaccel_rt.so.2",), ("bundle|ship|install|box",), severity="advice"),
    contract="debian-12-box",
)
def opened_by_name(shop: Shop) -> None:
    """The library is opened by dlopen() at run time: no NEEDED entry tells, only the name in its strings."""
    source = '#include <dlfcn.h>\nvoid *runtime(void) { return dlopen("libaccel_rt.so.2", RTLD_NOW); }\n'
    shop.library("lib/libbackend.so", source)


@GROUP.defect(
    Expect("A115", "lib/libcodec.so", (f"{HOME}/store-guard",), ("prefix-map",), severity="advice"),
    contract="debian-12-box",
)
def path_of_the_build_machine(shop: Shop) -> None:
    """An assertion carries __FILE__ with the path of somebody's home."""
    _with_path(shop)


@GROUP.defect(
    Expect("A115", "lib/libcodec.so", (f"{HOME}/store-guard",), ("prefix-map",)), contract="debian-11-box", floor="2.17"
)
def path_of_our_own_build_machine(shop: Shop) -> None:
    """The same in a build of ours, where it is refused: it makes bytes depend on who built them."""
    _with_path(shop)


def _with_path(shop: Shop) -> None:
    source = "#include <assert.h>\nvoid check(int value) { assert(value > 0); }\n"
    shop.library("lib/libcodec.so", source, f"-fmacro-prefix-map=source={HOME}/store-guard/src/source")


def _avcodec(shop: Shop, place: str, major: int) -> Path:
    name = f"libavcodec.so.{major}"
    script = shop.bench / f"{name}.map"
    script.write_text(f"LIBAVCODEC_{major} {{ global: *; }};\n")
    source = f"int avcodec_open2(void) {{ return {major}; }}\n"
    return shop.library(place or shop.bench / name, source, f"-Wl,--version-script={script}", soname=name)
