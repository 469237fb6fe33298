"""FFmpeg as a camera needs it: a small LGPL set of demuxers and decoders, shared libraries, no programs."""

import re
import shlex
from pathlib import Path

from conan import ConanFile
from conan.tools.build import build_jobs, cross_building
from conan.tools.env import VirtualBuildEnv
from conan.tools.files import copy, get, load, replace_in_file, save
from conan.tools.layout import basic_layout

required_conan_version = ">=2.20"

# A vendor's own FFmpeg with the same SONAMEs may live in the same process; ours must not answer for it.
SUFFIX = "-edge"
LIBRARIES = ("avutil", "avcodec", "avformat")  # each needs the ones before it

# rtsp brings rtp, sdp and http with it; h264, hevc and mjpeg are raw streams; mpeg4 is MPEG-4 part 2.
COMPONENTS = {
    "demuxer": "mov matroska mpegts avi flv h264 hevc mjpeg m4v image2 rtsp rtp sdp",
    "protocol": "file tcp udp rtp http",
    "decoder": "h264 hevc mjpeg mpeg4",
    "parser": "h264 hevc mjpeg mpeg4video",
    "bsf": "h264_mp4toannexb hevc_mp4toannexb extract_extradata mjpeg2jpeg mpeg4_unpack_bframes",
}

ARCHITECTURES = {"armv8": "aarch64"}  # Conan's name -> FFmpeg's, where they differ


class FFmpegConan(ConanFile):
    name = "ffmpeg"
    license = "LGPL-2.1-or-later"
    homepage = "https://ffmpeg.org"
    description = "Demuxing and decoding of camera streams and video files"
    settings = "os", "arch", "compiler", "build_type"
    package_type = "shared-library"

    def configure(self):
        self.settings.rm_safe("compiler.cppstd")
        self.settings.rm_safe("compiler.libcxx")

    def layout(self):
        basic_layout(self, src_folder="src")

    def source(self):
        get(self, **self.conan_data["sources"][self.version], strip_root=True)

    def build(self):
        self._run(Path(self.source_folder, "configure"), *self._tools(), *self._options())
        self._settle_config_header()
        # $ORIGIN lets one library find the next wherever the folder is moved to. make expands the value twice
        # (library.mak is a template), then sh sees it.
        self._run("make", f"-j{build_jobs(self)}", "LDSOFLAGS=-Wl,-rpath,'$$$$ORIGIN'")

    def package(self):
        self._run("make", "install-libs", "install-headers", f"DESTDIR={self.package_folder}")
        for library in LIBRARIES:
            self._make_relocatable(Path(self.package_folder, "lib", "pkgconfig", f"lib{library}{SUFFIX}.pc"))
        licenses = Path(self.package_folder, "licenses")
        for pattern in ("COPYING.LGPLv2.1", "LICENSE.md"):
            copy(self, pattern, self.source_folder, licenses)

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "FFmpeg")
        for index, library in enumerate(LIBRARIES):
            component = self.cpp_info.components[library]
            component.libs = [library + SUFFIX]
            component.requires = list(LIBRARIES[:index])
            component.set_property("cmake_target_name", f"FFmpeg::{library}")
            component.set_property("pkg_config_name", f"lib{library}{SUFFIX}")

    def _options(self):
        """What the product is: the same on every machine."""
        yield from ("--prefix=/", "--libdir=/lib", "--shlibdir=/lib", "--incdir=/include", "--datadir=/share/ffmpeg")
        yield from (f"--arch={self._arch}", "--target-os=linux", f"--build-suffix={SUFFIX}")
        yield from ("--enable-shared", "--disable-static", "--enable-pic", "--enable-pthreads", "--disable-debug")
        yield from ("--disable-autodetect", "--disable-everything", "--disable-programs", "--disable-doc")
        yield from ("--disable-avdevice", "--disable-avfilter", "--disable-swscale", "--disable-swresample")
        yield from ("--disable-postproc",)
        if self._arch == "x86_64":
            # nasm cannot be had without root, and whether a machine has one must not decide what is built.
            yield "--disable-x86asm"
        for kind, names in COMPONENTS.items():
            yield from (f"--enable-{kind}={name}" for name in names.split())

    def _tools(self):
        """What it is made with: paths of this machine, which must not reach the product."""
        yield from (f"--cc={self._compiler(self.conf)}", f"--host-cc={self._compiler(self.conf_build or self.conf)}")
        environment = VirtualBuildEnv(self).vars()
        yield from (f"--{tool}={environment.get(tool.upper(), tool)}" for tool in ("ar", "ranlib", "nm", "strip"))
        yield from (f"--extra-cflags={flag}" for flag in self._flags("cflags"))
        yield from (f"--extra-ldflags={flag}" for flag in self._flags("sharedlinkflags"))
        if cross_building(self):
            yield "--enable-cross-compile"

    def _settle_config_header(self):
        """Corrects two things that configure wrote into config.h."""
        header = Path(self.build_folder, "config.h")
        text = load(self, header)
        # avcodec_configuration() would tell everyone the paths of the machine that built it.
        text = re.sub(
            r'^(#define FFMPEG_CONFIGURATION) ".*"$',
            rf'\1 "{" ".join(self._options())}"',
            text,
            flags=re.MULTILINE,
        )
        # An old glibc exports sysctl, which configure looks for, but newer headers no longer declare it.
        text = text.replace("#define HAVE_SYSCTL 1", "#define HAVE_SYSCTL 0")
        save(self, header, text)

    def _make_relocatable(self, pkgconfig):
        replace_in_file(self, pkgconfig, "prefix=/\n", "prefix=${pcfiledir}/../..\n")
        replace_in_file(self, pkgconfig, "libdir=/lib", "libdir=${prefix}/lib")
        replace_in_file(self, pkgconfig, "includedir=/include", "includedir=${prefix}/include")

    @staticmethod
    def _compiler(conf):
        return conf.get("tools.build:compiler_executables", default={}, check_type=dict).get("c", "cc")

    def _flags(self, kind):
        return self.conf.get(f"tools.build:{kind}", default=[], check_type=list)

    def _run(self, *command):
        self.run(shlex.join(map(str, command)), cwd=self.build_folder)

    @property
    def _arch(self):
        arch = str(self.settings.arch)
        return ARCHITECTURES.get(arch, arch)
