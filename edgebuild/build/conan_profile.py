"""Conan's own configuration for one toolchain: profiles, and where sources lie. Pure but for write_settings."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from edgebuild.build import cmake
from edgebuild.model.arch import host_arch
from edgebuild.model.product import Toolchain
from edgebuild.workspace import write_atomic

# core.sources:download_cache: Conan takes sources from there by sha256 and never asks the network for them.
# The timeouts are for Conan Center, which may be out of reach.
_GLOBAL_CONF = """\
core:non_interactive=True
core.net.http:timeout=5
core.net.http:max_retries=0
core.sources:download_cache={sources}
"""


def render_profile(toolchain: Toolchain, toolchain_file: Path) -> str:
    """Conan's host profile.

    By default neither toolchain nor floor would change a package id, so both are named in it. The compiler
    version is the newest that Conan's settings know; the digest says which compiler it really is.
    """
    compilers = json.dumps({"c": str(toolchain.cc), "cpp": str(toolchain.cxx)})
    compiler = "\n".join(f"{name}={value}" for name, value in toolchain.conan)
    c_flags, link_flags = json.dumps(toolchain.c_flags), json.dumps(toolchain.link_flags)
    return f"""\
[settings]
os=Linux
arch={toolchain.arch.conan}
build_type=Release
{compiler}
compiler.cppstd=17
[conf]
tools.build:compiler_executables={compilers}
tools.build:cflags={c_flags}
tools.build:cxxflags={c_flags}
tools.build:sharedlinkflags={link_flags}
tools.build:exelinkflags={link_flags}
tools.cmake.cmaketoolchain:user_toolchain={json.dumps([str(toolchain_file)])}
tools.cmake.cmaketoolchain:generator=Ninja
tools.info.package_id:confs=["user.edgebuild:.*"]
user.edgebuild:toolchain={toolchain.digest}
user.edgebuild:floor={toolchain.floor}
[buildenv]
AR={toolchain.ar}
RANLIB={toolchain.ranlib}
NM={toolchain.nm}
STRIP={toolchain.strip}
"""


def render_build_profile(toolchain: Toolchain) -> str:
    """Conan's build profile: the machine we are on, whose compiler makes code generators."""
    compilers = json.dumps({"c": str(toolchain.host_cc), "cpp": str(toolchain.host_cxx)})
    return f"""\
[settings]
os=Linux
arch={host_arch().conan}
[conf]
tools.build:compiler_executables={compilers}
"""


def write_settings(home: Path, toolchain: Toolchain) -> None:
    """Conan's own configuration. It stays, so that a failure can be looked into by hand (CONAN_HOME=… conan …)."""
    profiles = home / "profiles"
    # Flags travel in the profile, which recipes without CMake read too.
    flagless = msgspec.structs.replace(toolchain, c_flags=(), link_flags=())
    toolchain_file = profiles / f"{toolchain.arch.name}.cmake"
    write_atomic(toolchain_file, cmake.render_toolchain_file(flagless, prefixes=(), prefix_map={}))
    write_atomic(profiles / toolchain.arch.name, render_profile(toolchain, toolchain_file))
    write_atomic(profiles / "default", render_build_profile(toolchain))
    write_atomic(home / "global.conf", _GLOBAL_CONF.format(sources=home / "sources"))
