"""doctest: one header, for our own tests."""

from pathlib import Path

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, get

required_conan_version = ">=2.20"


class DoctestConan(ConanFile):
    name = "doctest"
    license = "MIT"
    homepage = "https://github.com/doctest/doctest"
    description = "C++ unit tests"
    settings = "os", "arch", "compiler", "build_type"
    package_type = "header-library"

    def layout(self):
        cmake_layout(self, src_folder="src")

    def package_id(self):
        self.info.clear()  # the same header for every toolchain

    def source(self):
        get(self, **self.conan_data["sources"][self.version], strip_root=True)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["CMAKE_POLICY_VERSION_MINIMUM"] = "3.5"  # CMake 4 refuses the project's 3.0
        toolchain.cache_variables["DOCTEST_WITH_TESTS"] = False
        toolchain.cache_variables["DOCTEST_WITH_MAIN_IN_STATIC_LIB"] = False
        toolchain.generate()

    def build(self):
        CMake(self).configure()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE.txt", self.source_folder, Path(self.package_folder, "licenses"))

    def package_info(self):
        self.cpp_info.set_property("cmake_find_mode", "none")  # it installs its own package configuration
        self.cpp_info.builddirs = ["lib/cmake/doctest"]
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
