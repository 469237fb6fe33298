"""rapidyaml (ryml::ryml) with c4core inside, static."""

from pathlib import Path

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, get

required_conan_version = ">=2.20"


class RapidyamlConan(ConanFile):
    name = "rapidyaml"
    license = "MIT"
    homepage = "https://github.com/biojppm/rapidyaml"
    description = "YAML parsing with source locations"
    settings = "os", "arch", "compiler", "build_type"
    package_type = "static-library"

    def layout(self):
        cmake_layout(self, src_folder="src")

    def source(self):
        get(self, **self.conan_data["sources"][self.version], strip_root=True)

    def generate(self):
        toolchain = CMakeToolchain(self)
        # The profile's toolchain file decides where to look; Conan's block would let the host in again.
        toolchain.blocks.remove("find_paths")
        toolchain.cache_variables["CMAKE_POSITION_INDEPENDENT_CODE"] = True
        toolchain.cache_variables["BUILD_SHARED_LIBS"] = False
        toolchain.extra_cxxflags = self._prefix_maps()
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure(build_script_folder="cpp")
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE.txt", self.source_folder, Path(self.package_folder, "licenses"))

    def package_info(self):
        self.cpp_info.set_property("cmake_find_mode", "none")  # it installs its own package configuration
        self.cpp_info.builddirs = ["lib/cmake/ryml", "lib/cmake/c4core"]
        self.cpp_info.libs = ["ryml", "c4core"]

    def _prefix_maps(self):
        """Debug information names the package, not the folder of this machine it was built in."""
        return [f"-ffile-prefix-map={folder}={self.name}" for folder in (self.source_folder, self.build_folder)]
