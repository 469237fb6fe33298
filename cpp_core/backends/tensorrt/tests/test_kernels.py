"""Device code without a GPU: what the compilers make, what modules carry, and whether its arithmetic is the core's."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from edgebuild.build.tools import provide_tools
from edgebuild.config.targets import load_tools
from edgebuild.workspace import Workspace
from tests.e2e.fixtures import Built
from tests.e2e.harness import ARM, run_in

FOLDER = Path(__file__).resolve().parent.parent
KERNELS = {"edgecore_prepare_planar", "edgecore_prepare_semiplanar", "edgecore_prepare_gray"}
EM_CUDA = "EM_CUDA"  # 190

# Which compiler makes code for which GPU: Nano, TX2, Xavier, Orin, Thor; servers from Volta to Blackwell.
GPUS = {
    "NVRTC11": ("sm_53", "sm_62", "sm_70", "sm_72", "sm_75", "sm_80", "sm_87", "sm_90"),
    "NVRTC12": ("sm_53", "sm_62", "sm_72", "sm_75", "sm_80", "sm_87", "sm_90", "compute_87", "compute_90"),
    "NVRTC13": ("sm_75", "sm_80", "sm_87", "sm_90", "sm_100", "sm_110", "sm_120"),
}


@dataclass(frozen=True)
class Cubin:
    machine: str
    gpu: str
    kernels: frozenset[str]


def read_cubin(path: Path) -> Cubin:
    """The GPU is in e_flags: bits 0 to 7 up to CUDA 12, bits 8 to 15 from ABI version 8 (CUDA 13) on.

    NVIDIA documents neither; so it is in everything that 11.8, 12.6 and 13.0 make.
    """
    with path.open("rb") as file:
        elf = ELFFile(file)
        flags, version = elf.header.e_flags, elf.header.e_ident.EI_ABIVERSION
        tables = (section for section in elf.iter_sections() if isinstance(section, SymbolTableSection))
        symbols = [symbol for table in tables for symbol in table.iter_symbols()]
        names = {symbol.name for symbol in symbols if symbol.entry.st_info.type == "STT_FUNC"}
        capability = flags >> 8 & 0xFF if version >= 8 else flags & 0xFF
        return Cubin(elf.header.e_machine, f"sm_{capability}", frozenset(names))


def compile_kernels(folders: dict[str, str], gpus: dict[str, tuple[str, ...]], out: Path) -> None:
    lines = [["--compile", folders[f"EDGECORE_TOOLS_{tool}"], *names] for tool, names in gpus.items()]
    subprocess.run(
        [
            sys.executable,
            FOLDER / "tools/nvrtc.py",
            *("--source", FOLDER / "kernels/preprocess.cu"),
            *("--output", out / "images.cc"),
            *("--images", out),
            *[word for line in lines for word in line],
        ],
        check=True,
        timeout=300,
    )


@pytest.fixture(scope="session")
def compilers(cache: Workspace) -> dict[str, str]:
    return provide_tools([tool for tool in load_tools(cache) if tool.name in GPUS], ws=cache)


@pytest.fixture(scope="session")
def images(compilers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    compile_kernels(compilers, GPUS, folder)
    return folder


@pytest.mark.parametrize("gpu", sorted({gpu for gpus in GPUS.values() for gpu in gpus if gpu.startswith("sm_")}))
def test_the_kernels_compile_for_every_gpu_that_a_compiler_knows(images: Path, gpu: str) -> None:
    found = {path.name: read_cubin(path) for path in images.glob(f"{gpu}-*.cubin")}
    assert len(found) == sum(gpu in gpus for gpus in GPUS.values())
    for name, cubin in found.items():
        assert cubin == Cubin(machine=EM_CUDA, gpu=gpu, kernels=frozenset(KERNELS)), name


@pytest.mark.parametrize("architecture", ["compute_87", "compute_90"])
def test_ptx_has_the_kernels_and_ends_as_the_driver_wants(images: Path, architecture: str) -> None:
    (path,) = images.glob(f"{architecture}-*.ptx")
    text = path.read_bytes()
    assert text.endswith(b"\0")
    assert f".target {architecture.replace('compute', 'sm')}".encode() in text
    assert all(f".entry {kernel}(".encode() in text for kernel in KERNELS)


def test_compiling_twice_gives_the_same_bytes(compilers: dict[str, str], images: Path, tmp_path: Path) -> None:
    compile_kernels(compilers, {"NVRTC12": ("sm_87",)}, tmp_path)
    (again,) = tmp_path.glob("sm_87-*.cubin")
    assert again.read_bytes() == (images / again.name).read_bytes()


@pytest.mark.parametrize(
    ("row", "module", "tool", "gpus"),
    [
        ("arm", "tensorrt8", "NVRTC11", ("sm_72", "sm_87")),
        ("arm", "tensorrt10", "NVRTC12", ("sm_87", "compute_87")),
        ("arm", "tensorrt10", "NVRTC13", ("sm_110",)),
        ("native", "tensorrt8", "NVRTC11", ("sm_70", "sm_80", "sm_90")),
        ("native", "tensorrt10", "NVRTC12", ("sm_75", "sm_80", "sm_90", "compute_90")),
    ],
)
def test_modules_carry_the_code_of_the_gpus_that_they_meet(
    row: str,
    module: str,
    tool: str,
    gpus: tuple[str, ...],
    images: Path,
    cache: Workspace,
    request: pytest.FixtureRequest,
) -> None:
    built: Built = request.getfixturevalue(row)
    core = cache.product("core", f"core-{built.manifest['arch']}", built.manifest["made_from"]["core"])
    module_bytes = (core / "runtime/lib/edgecore" / f"libedgecore-{module}.so").read_bytes()
    version = {"NVRTC11": 11080, "NVRTC12": 12060, "NVRTC13": 13000}[tool]
    for gpu in gpus:
        image = next(images.glob(f"{gpu}-{version}.*")).read_bytes()
        assert image in module_bytes, gpu


def test_a_kernel_that_does_not_compile_is_told_in_the_compilers_words(
    compilers: dict[str, str], tmp_path: Path
) -> None:
    source = tmp_path / "broken.cu"
    source.write_text('extern "C" __global__ void broken() { no_such_function(); }')
    ended = subprocess.run(
        [
            *(sys.executable, FOLDER / "tools/nvrtc.py", "--source", source, "--output", tmp_path / "out.cc"),
            *("--compile", compilers["EDGECORE_TOOLS_NVRTC12"], "sm_87"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert 'broken.cu(1): error: identifier "no_such_function" is undefined' in ended.stderr
    assert not (tmp_path / "out.cc").exists()


def test_the_kernels_arithmetic_is_the_cores(native: Built) -> None:
    program = native.tree / "bin" / "edgecore-kernels-check"
    ended = subprocess.run([program], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout
    assert "400 pictures" in ended.stdout


def test_without_a_driver_gpu_check_says_so(native: Built) -> None:
    ended = subprocess.run([native.tree / "bin/edgecore-gpu-check"], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "libcuda.so.1" in ended.stdout


def test_the_kernels_arithmetic_is_the_same_on_arm64(arm: Built) -> None:
    assert "60 pictures" in run_in(ARM, arm.tree / "bin/edgecore-kernels-check", "60", timeout_s=300).stdout
