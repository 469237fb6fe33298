"""libjpeg-turbo: the TurboJPEG API as one static, position-independent library."""

from pathlib import Path

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, get, replace_in_file, rmdir

required_conan_version = ">=2.20"


class LibjpegTurboConan(ConanFile):
    name = "libjpeg-turbo"
    license = "BSD-3-Clause AND IJG AND Zlib"
    homepage = "https://libjpeg-turbo.org"
    description = "JPEG encoding and decoding"
    settings = "os", "arch", "compiler", "build_type"
    package_type = "static-library"

    def configure(self):
        self.settings.rm_safe("compiler.cppstd")
        self.settings.rm_safe("compiler.libcxx")

    def layout(self):
        cmake_layout(self, src_folder="src")

    def source(self):
        get(self, **self.conan_data["sources"][self.version], strip_root=True)

    def generate(self):
        toolchain = CMakeToolchain(self)
        # The profile's toolchain file decides where to look; Conan's block would let the host in again.
        toolchain.blocks.remove("find_paths")
        toolchain.cache_variables["CMAKE_POLICY_VERSION_MINIMUM"] = "3.5"  # CMake 4 refuses the project's 2.8
        toolchain.cache_variables["CMAKE_POSITION_INDEPENDENT_CODE"] = True
        toolchain.cache_variables["ENABLE_SHARED"] = False
        # On x86 SIMD needs nasm, which cannot be had without root; on Arm the C compiler is enough.
        toolchain.cache_variables["WITH_SIMD"] = str(self.settings.arch) == "armv8"
        toolchain.cache_variables["REQUIRE_SIMD"] = str(self.settings.arch) == "armv8"
        toolchain.extra_cflags = self._prefix_maps()
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        for folder in ("bin", "share"):
            rmdir(self, Path(self.package_folder, folder))
        for pkgconfig in Path(self.package_folder, "lib", "pkgconfig").glob("*.pc"):
            replace_in_file(self, pkgconfig, self.package_folder, "${pcfiledir}/../..")
        licenses = Path(self.package_folder, "licenses")
        for pattern in ("LICENSE.md", "README.ijg"):
            copy(self, pattern, self.source_folder, licenses)

    def package_info(self):
        self.cpp_info.set_property("cmake_find_mode", "none")  # it installs its own package configuration
        self.cpp_info.builddirs = ["lib/cmake/libjpeg-turbo"]
        self.cpp_info.libs = ["turbojpeg"]

    def _prefix_maps(self):
        """Debug information names the package, not the folder of this machine it was built in."""
        return [f"-ffile-prefix-map={folder}={self.name}" for folder in (self.source_folder, self.build_folder)]
