"""Device code of this backend as C++ arrays: compiles kernels/*.cu with NVRTC, a library that needs no host compiler.

    nvrtc.py --source kernels/preprocess.cu --output images.cc --compile FOLDER sm_87 sm_72 --compile FOLDER2 sm_110

FOLDER: anything below which a libnvrtc.so.* lies (an unpacked wheel). sm_87: a cubin for exactly that GPU;
compute_90: PTX, which a driver compiles for newer GPUs.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
from pathlib import Path

# No date, path or host gets in, so equal input is equal output. --fmad=false: x * y + z rounds as on the CPU.
OPTIONS = ("--std=c++17", "--fmad=false", "--restrict")
ALIGNMENT = 64  # cuModuleLoadData reads ELF headers in place


class CompileError(Exception):
    """What NVRTC says, for people."""


class Nvrtc:
    """One libnvrtc. Functions and signatures: "NVRTC" manual, sections 3.1 to 3.5 (12.6)."""

    def __init__(self, folder: Path) -> None:
        found = sorted(path for path in folder.rglob("libnvrtc.so.*") if ".alt." not in path.name)
        if not found:
            msg = f"{folder}: no libnvrtc.so.* below it; expected an unpacked NVRTC wheel"
            raise CompileError(msg)
        # Its second half is looked up by name alone, so it has to be in the process first.
        for builtins in sorted(found[0].parent.glob("libnvrtc-builtins.so.*")):
            ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
        self._library = ctypes.CDLL(str(found[0]))
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        self.version = major.value * 1000 + minor.value * 10

    def capabilities(self) -> list[int]:
        """The GPUs it makes code for: [50, 52, ...]."""
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        values = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", values)
        return list(values)

    def compile(self, source: Path, gpu: str) -> bytes:
        """A cubin for sm_NN, PTX with its ending zero for compute_NN. #include goes by the source's folder."""
        program = ctypes.c_void_p()
        text, name = source.read_bytes(), source.name.encode()
        headers = {path.name: path.read_bytes() for path in sorted(source.parent.glob("*.h"))}
        bodies = (ctypes.c_char_p * len(headers))(*headers.values())
        names = (ctypes.c_char_p * len(headers))(*(header.encode() for header in headers))
        self._call("nvrtcCreateProgram", ctypes.byref(program), text, name, len(headers), bodies, names)
        try:
            options = [option.encode() for option in (f"--gpu-architecture={gpu}", *OPTIONS)]
            as_array = (ctypes.c_char_p * len(options))(*options)
            result = self._library.nvrtcCompileProgram(program, len(options), as_array)
            if result != 0:
                msg = f"{source.name} for {gpu}: {self._text(result)}\n{self._log(program)}"
                raise CompileError(msg)
            return self._take(program, "CUBIN" if gpu.startswith("sm_") else "PTX")
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _take(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        content = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, content)
        return content.raw

    def _log(self, program: ctypes.c_void_p) -> str:
        return self._take(program, "ProgramLog").rstrip(b"\0").decode(errors="replace")

    def _text(self, result: int) -> str:
        return str(self._library.nvrtcGetErrorString(result).decode())

    def _call(self, name: str, *arguments: object) -> None:
        if result := getattr(self._library, name)(*arguments):
            msg = f"{name}: {self._text(result)}"
            raise CompileError(msg)


def render_images(images: list[tuple[str, int, bytes]]) -> str:
    """(sm_87, CUDA version of the compiler, content) -> a source file that defines what kernels/images.h declares."""
    lines = ["// Made by tools/nvrtc.py; not for editing.", '#include "kernels/images.h"', ""]
    lines += ["namespace edgecore::tensorrt {", "namespace {", ""]
    entries = []
    for gpu, cuda, content in images:
        name = f"k_{gpu}_{cuda}"
        lines.append(f"alignas({ALIGNMENT}) constexpr unsigned char {name}[] = {{")
        lines += ["  " + "".join(f"{byte}," for byte in content[at : at + 32]) for at in range(0, len(content), 32)]
        lines += ["};", ""]
        kind, capability = gpu.split("_")
        entries.append(f"    {{{capability}, {cuda}, {str(kind == 'compute').lower()}, {name}, sizeof {name}}},")
    lines += ["constexpr DeviceImage kAll[] = {", *entries, "};", "", "}  // namespace", ""]
    lines += [f"const DeviceImages kDeviceImages{{kAll, {len(images)}}};", "", "}  // namespace edgecore::tensorrt"]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="the .cc file")
    parser.add_argument("--images", type=Path, help="a folder that the images are written into, too")
    parser.add_argument("--compile", nargs="+", action="append", required=True, metavar=("FOLDER", "GPU"))
    arguments = parser.parse_args()
    images: list[tuple[str, int, bytes]] = []
    try:
        for folder, *gpus in arguments.compile:
            compiler = Nvrtc(Path(folder))
            images += [(gpu, compiler.version, compiler.compile(arguments.source, gpu)) for gpu in gpus]
    except (CompileError, OSError) as err:
        sys.stderr.write(f"error: {err}\n")
        return 1
    arguments.output.write_text(render_images(images))
    if arguments.images:
        arguments.images.mkdir(parents=True, exist_ok=True)
        for gpu, cuda, content in images:
            (arguments.images / f"{gpu}-{cuda}.{'cubin' if gpu.startswith('sm_') else 'ptx'}").write_bytes(content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
