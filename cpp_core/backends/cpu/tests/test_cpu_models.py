"""ONNX files: every sound one passes the module's look, and a damaged one is refused before ONNX Runtime sees it."""

from __future__ import annotations

import ctypes
import random
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime
import pytest

from tests import data
from tests.e2e.conftest import Built
from tests.e2e.harness import BACKENDS, NATIVE, FrameLine, assert_same_boxes, call, run_in

OK, NOT_FOUND, CORRUPT = 0, 2, 4
EXIT_CORRUPT = 6
ABI_VERSION = 2
CHECK_MODEL = 4  # its place among the functions of abi::Backend
SEED, MUTANTS = 5, 300


class Error(ctypes.Structure):
    _fields_ = (("code", ctypes.c_int32), ("text", ctypes.c_char * 508))


Answer = tuple[int, str]
Look = Callable[[Path], Answer]


@pytest.fixture(scope="module")
def look(native: Built) -> Look:
    """The module's check_model, below the core: its code and its words."""
    module = ctypes.CDLL(str(native.tree / "lib" / "edgecore" / "libedgecore-cpu.so"))
    module.edgecore_backend.restype = ctypes.c_void_p
    error = Error()
    backend = module.edgecore_backend(ctypes.c_uint32(ABI_VERSION), ctypes.byref(error))
    assert backend, error.text
    functions = ctypes.cast(ctypes.c_void_p.from_address(backend).value or 0, ctypes.POINTER(ctypes.c_void_p))
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(Error))
    check_model = kind(functions[CHECK_MODEL] or 0)

    def judge(path: Path) -> Answer:
        said = Error()
        code = check_model(backend, str(path).encode(), ctypes.byref(said))
        return code, said.text.decode()

    return judge


@pytest.fixture(scope="module")
def face(clips: Path) -> bytes:
    return (clips / "centerface.onnx").read_bytes()


def node_models() -> dict[str, bytes]:
    """Each operator's models in onnx's own tests, which make random inputs as well; those are not looked at."""
    from onnx.backend.test.case.node import collect_testcases

    return {case.name: case.model.SerializeToString() for case in collect_testcases(None) if case.model is not None}


@pytest.mark.filterwarnings("ignore")
def test_every_sound_model_at_hand_passes(look: Look, tmp_path: Path, clips: Path) -> None:
    for name, model in node_models().items():
        (tmp_path / f"{name}.onnx").write_bytes(model)
    packages = (Path(package.__file__).parent for package in (onnx, onnxruntime))
    models = [path for folder in (tmp_path, clips, BACKENDS, *packages) for path in folder.rglob("*.onnx")]
    refused = {path.name: answer for path in models if (answer := look(path)) != (OK, "")}
    assert refused == {}
    assert len(models) > 1800


def mutated(random_: random.Random, whole: bytes) -> bytes:
    """Damage where the structure is; a flip among the weights is nobody's to see."""
    damaged = bytearray(whole)
    at = random_.randrange(len(whole))
    match random_.randrange(4):
        case 0:
            return bytes(damaged[:at])
        case 1:
            del damaged[at : at + random_.randint(1, 4096)]
        case 2:
            damaged[at:at] = random_.randbytes(random_.randint(1, 64))
        case _:
            head = random_.randrange(min(len(whole), 512))
            damaged[head] ^= 1 << random_.randrange(8)
    return bytes(damaged)


def test_300_damaged_models_are_refused_by_where_they_are_damaged(look: Look, face: bytes, tmp_path: Path) -> None:
    random_ = random.Random(SEED)
    model = tmp_path / "model.onnx"
    answers: list[Answer] = []
    for _ in range(MUTANTS):
        model.write_bytes(mutated(random_, face))
        answers.append(look(model))
    counts = Counter(code for code, _ in answers)
    print(f"seed {SEED}: {dict(counts)}")
    assert set(counts) <= {OK, CORRUPT}
    assert all(re.match(r"byte \d+, [a-z ]+: ", text) for code, text in answers if code == CORRUPT)
    assert counts[CORRUPT] > 0.8 * MUTANTS


def test_a_damaged_model_ends_the_run_before_onnx_runtime_sees_it(native: Built, clips: Path, tmp_path: Path) -> None:
    whole = (clips / "centerface.onnx").read_bytes()
    (tmp_path / "centerface.yaml").write_bytes(data.FACE_DESCRIPTION.read_bytes())
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(f"source: {{uri: {clips / 'bikes.mp4'}, limit: 1}}\nmodel: centerface.yaml\n")
    for bytes_, told in (
        (whole[: len(whole) // 2], "a field reaches beyond the end of what it is in"),
        (b"", "no ONNX model: the version of the format is missing"),
        (b"<html><body>404</body></html>", "a field's type is none"),
        (bytes(4096), "a field's number is none"),
    ):
        (tmp_path / "centerface.onnx").write_bytes(bytes_)
        ended = call(native.tree / "bin" / "edgecore", "run", pipeline, timeout_s=60)
        assert (ended.code, ended.stdout) == (EXIT_CORRUPT, "")
        assert ended.stderr.startswith(f"error: {tmp_path}/centerface.onnx: byte "), ended.stderr
        assert told in ended.stderr
        assert "CreateSession" not in ended.stderr


def test_weights_in_a_file_of_their_own_have_to_be_there_and_long_enough(
    look: Look, clips: Path, tmp_path: Path
) -> None:
    model, weights = tmp_path / "model.onnx", tmp_path / "weights.bin"
    proto = onnx.load(clips / "centerface.onnx")
    onnx.save(proto, model, save_as_external_data=True, location=weights.name, size_threshold=0)
    assert look(model) == (OK, "")
    size_bytes = weights.stat().st_size
    with weights.open("ab") as file:
        file.truncate(size_bytes - 4)
    code, text = look(model)
    assert code == CORRUPT
    assert text.startswith(f"{weights}: has {size_bytes - 4} bytes, and the model's weights reach to byte ")
    weights.unlink()
    code, text = look(model)
    assert code == NOT_FOUND
    assert text.startswith(f"{weights}: ")


def test_what_the_runtime_takes_for_unsaid_is_not_refused(look: Look, clips: Path, tmp_path: Path) -> None:
    """Another domain's operator set without a version, and weights in a file of their own whose length is 0."""
    model = tmp_path / "model.onnx"
    proto = onnx.load(clips / "centerface.onnx")
    onnx.save(proto, model, save_as_external_data=True, location="weights.bin", size_threshold=0)
    proto = onnx.load(model, load_external_data=False)
    proto.opset_import.add(domain="vendor.example")
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "length":
                entry.value = "0"
    model.write_bytes(proto.SerializeToString())
    onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    assert look(model) == (OK, "")
    del proto.opset_import[-1]
    proto.opset_import[0].ClearField("version")
    model.write_bytes(proto.SerializeToString())
    assert look(model)[0] == CORRUPT


def test_the_runtimes_own_format_runs_and_is_known_by_its_identifier(
    look: Look, native: Built, clips: Path, tmp_path: Path, native_lines: dict[str, dict[int, FrameLine]]
) -> None:
    model = tmp_path / "face.ort"
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(model)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(str(clips / "centerface.onnx"), options, providers=["CPUExecutionProvider"])
    (tmp_path / "face.yaml").write_text(data.FACE_DESCRIPTION.read_text().replace("centerface.onnx", "face.ort"))
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(f"source: {{uri: {clips / 'bikes.mp4'}, frames: [105]}}\nmodel: face.yaml\n")
    (line,) = run_in(NATIVE, "bin/edgecore", "run", pipeline, timeout_s=120).frames().values()
    assert line.has_face()
    assert_same_boxes(line.boxes, native_lines["bikes.mp4"][105].boxes, place="frame 105")
    other = tmp_path / "other.ort"
    shutil.copyfile(clips / "centerface.onnx", other)
    assert look(other)[0] == CORRUPT
    other.write_bytes(model.read_bytes()[:1000])  # sound to us; the runtime's verifier says no
    assert look(other) == (OK, "")
    shutil.move(other, model)
    assert call(native.tree / "bin" / "edgecore", "run", pipeline, timeout_s=60).code in {1, EXIT_CORRUPT}


def test_a_model_that_is_not_there_is_not_found(look: Look) -> None:
    assert look(Path(tempfile.gettempdir()) / "nonesuch.onnx")[0] == NOT_FOUND
