"""Third-party libraries of the core, as `edgebuild build` installs them.

CMake needs one prefix, not a tree per package. So install with the deployer beside the recipes and give
its folder to CMake as CMAKE_PREFIX_PATH (and as FFmpeg_ROOT); Conan's CMake generators are not needed:

    conan remote add edgecore cpp_core --type=local-recipes-index --index=0
    conan install cpp_core -pr:h PROFILE -pr:b BUILD_PROFILE --build=missing \
        --deployer=cpp_core/recipes/prefix.py --deployer-folder=PREFIX

The profile names the compilers (tools.build:compiler_executables), the binary tools (AR, RANLIB, NM, STRIP
in [buildenv]) and a CMake toolchain file (tools.cmake.cmaketoolchain:user_toolchain).
"""

from conan import ConanFile


class EdgecoreDependencies(ConanFile):
    settings = "os", "arch", "compiler", "build_type"

    def requirements(self):
        self.requires("ffmpeg/5.1.9")
        self.requires("libjpeg-turbo/2.1.5")
        self.requires("rapidyaml/0.15.2")

    def build_requirements(self):
        self.test_requires("doctest/2.4.9")
