"""Promises of the installed package, needing no other file: python -m unittest (also under an emulated Python)."""

import base64
import gc
import hashlib
import os
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

import edgecore
import numpy as np

# ONNX, opset 13: y [1, 6, 128] = Reshape(x [1, 3, 16, 16]), the shape that a yolov8 head of two labels reads.
RESHAPE = base64.b64decode(
    "CAgSADp5ChYKAXgKBXNoYXBlEgF5IgdSZXNoYXBlEgFnKiUIAxAHQgVzaGFwZUoYAQAAAAAAAAAGAAAAAAAAAIAAAAAAAAAAWhsKAXgSFgoU"
    "CAESEAoCCAEKAggDCgIIEAoCCBBiGAoBeRITChEIARINCgIIAQoCCAYKAwiAAUIECgAQDQ=="
)
DESCRIPTION = """\
model: reshape.onnx
input: {width_px: 16, height_px: 16}
head: {kind: yolov8}
labels: [one, other]
"""


def luma(height: int = 6, width: int = 8) -> np.ndarray:
    return np.arange(height * width, dtype=np.uint8).reshape(height, width)


class Planes(unittest.TestCase):
    def test_go_in_and_out_without_a_copy(self) -> None:
        y, u, v = luma(), luma(3, 4), luma(3, 4) + 100
        frame = edgecore.Frame.from_planes(y, u, v)
        self.assertEqual((frame.width_px, frame.height_px, frame.layout), (8, 6, "planar"))
        for given, seen in zip((y, u, v), frame.planes):
            self.assertEqual(seen.ctypes.data, given.ctypes.data)
            np.testing.assert_array_equal(seen, given)

    def test_interleaved_chroma_and_gray(self) -> None:
        uv = np.arange(24, dtype=np.uint8).reshape(3, 4, 2)
        frame = edgecore.Frame.from_planes(luma(), uv)
        self.assertEqual(frame.layout, "semi_planar")
        np.testing.assert_array_equal(frame.planes[1], uv)
        self.assertEqual(len(edgecore.Frame.from_planes(luma()).planes), 1)

    def test_planar_and_interleaved_have_one_digest(self) -> None:
        uv = np.arange(24, dtype=np.uint8).reshape(3, 4, 2)
        u, v = (np.ascontiguousarray(uv[:, :, each]) for each in (0, 1))
        one, other = edgecore.Frame.from_planes(luma(), uv), edgecore.Frame.from_planes(luma(), u, v)
        self.assertEqual(one.digest(), other.digest())

    def test_rows_may_be_padded_and_columns_may_not(self) -> None:
        wide = luma(6, 16)
        self.assertEqual(edgecore.Frame.from_planes(wide[:, :8]).planes[0].strides, (16, 1))
        with self.assertRaisesRegex(ValueError, "dense rows"):
            edgecore.Frame.from_planes(wide[:, ::2])
        with self.assertRaisesRegex(ValueError, "dense rows"):
            edgecore.Frame.from_planes(wide[::-1])

    def test_outlive_the_frame_and_the_arrays(self) -> None:
        y = luma()
        before = sys.getrefcount(y)
        frame = edgecore.Frame.from_planes(y)
        (plane,) = frame.planes
        del frame
        gc.collect()
        self.assertGreater(sys.getrefcount(y), before)
        self.assertEqual(plane[5, 7], 47)
        del plane
        gc.collect()
        self.assertEqual(sys.getrefcount(y), before)

    def test_are_read_only(self) -> None:
        (plane,) = edgecore.Frame.from_planes(luma()).planes
        with self.assertRaises(ValueError):
            plane[0, 0] = 1

    def test_of_a_wrong_type_or_size_are_refused(self) -> None:
        with self.assertRaisesRegex(TypeError, "uint8"):
            edgecore.Frame.from_planes(luma().astype(np.float32))
        with self.assertRaisesRegex(ValueError, "chroma height is 2, expected 6 or 3"):
            edgecore.Frame.from_planes(luma(), luma(2, 4), luma(2, 4))
        with self.assertRaisesRegex(ValueError, "u and v differ"):
            edgecore.Frame.from_planes(luma(), luma(3, 4), luma(6, 4))
        with self.assertRaises(TypeError):
            edgecore.Frame.from_planes()

    def test_that_are_empty_or_too_large_are_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "y: 0 rows of 8 samples"):
            edgecore.Frame.from_planes(np.empty((0, 8), np.uint8))
        with self.assertRaisesRegex(ValueError, "y: 6 rows of 0 samples"):
            edgecore.Frame.from_planes(np.empty((6, 0), np.uint8))
        one_row = luma(1, 8)
        most = np.lib.stride_tricks.as_strided(one_row, (1, 8), (2**31 - 1, 1))
        self.assertEqual(edgecore.Frame.from_planes(most).width_px, 8)
        for shape, strides in (((1, 8), (2**31, 1)), ((1, 8), (2**32 + 8, 1)), ((2**31, 1), (1, 1))):
            more = np.lib.stride_tricks.as_strided(one_row, shape, strides, writeable=False)
            with self.assertRaisesRegex(ValueError, "expected 1..2147483647"):
                edgecore.Frame.from_planes(more)


class Colour(unittest.TestCase):
    def test_is_that_of_video_unless_told(self) -> None:
        video = edgecore.Frame.from_planes(luma())
        self.assertEqual((video.matrix, video.range, video.siting), ("bt601", "limited", "left"))
        told = edgecore.Frame.from_planes(luma(), matrix="bt709", range="full", siting="center")
        self.assertEqual((told.matrix, told.range, told.siting), ("bt709", "full", "center"))
        with self.assertRaises(AttributeError):
            told.range = "limited"

    def test_of_an_unknown_name_says_the_known_ones(self) -> None:
        names = (("matrix", "'bt601' or 'bt709'"), ("range", "'limited' or 'full'"), ("siting", "'left'"))
        for argument, known in names:
            with self.assertRaisesRegex(ValueError, f"{argument}: expected {known}.*, found 'tv'"):
                edgecore.Frame.from_planes(luma(), **{argument: "tv"})


class Suppression(unittest.TestCase):
    def test_keeps_the_best_of_each_label(self) -> None:
        best = edgecore.Detection(0, 0.9, (0, 0, 10, 10))
        covered = edgecore.Detection(0, 0.8, (1, 0, 11, 10))
        other = edgecore.Detection(1, 0.7, (1, 0, 11, 10))
        kept = edgecore.nms([other, covered, best], iou_threshold=0.5)
        self.assertEqual([(each.label, each.box) for each in kept], [(0, best.box), (1, other.box)])
        self.assertEqual(len(edgecore.nms([other, best], max_detections=1)), 1)


class Failure(unittest.TestCase):
    def test_carries_code_message_and_hint(self) -> None:
        with self.assertRaises(edgecore.Error) as caught:
            edgecore.Pipeline("nonesuch.yaml")
        self.assertEqual(caught.exception.code, "not found")
        self.assertIn("nonesuch.yaml", caught.exception.message)
        with self.assertRaises(edgecore.Error):
            edgecore.open_source("nonesuch.mp4")

    def test_of_two_threads_stays_in_its_thread(self) -> None:
        caught = []

        def fail() -> None:
            try:
                edgecore.Model("nonesuch.yaml")
            except edgecore.Error as error:
                caught.append(error.code)

        threads = [threading.Thread(target=fail) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(caught, ["not found"] * 4)


class Modules(unittest.TestCase):
    def test_lie_in_the_package(self) -> None:
        self.assertIn("cpu", [module["name"] for module in edgecore.backends() if "error" not in module])

    def test_come_with_the_program_that_tries_unknown_models(self) -> None:
        program = Path(edgecore.__file__).with_name("lib") / "edgecore-try"
        self.assertTrue(os.access(program, os.X_OK), program)

    def test_that_do_not_open_hide_no_others(self) -> None:
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, EDGECORE_BACKENDS=folder):
            for library in Path(edgecore.__file__).with_name("lib").glob("*.so*"):
                (Path(folder) / library.name).symlink_to(library)
            (Path(folder) / "libedgecore-broken.so").write_text("not a library")
            modules = {module["name"]: module for module in edgecore.backends()}
        self.assertEqual(set(modules["broken"]), {"name", "code", "error", "hint"})
        self.assertEqual(modules["broken"]["code"], "not found")
        self.assertIn("libedgecore-broken.so", modules["broken"]["error"])
        self.assertEqual(set(modules["cpu"]), {"name", "runtime", "devices"})


class Inference(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        (Path(folder.name) / "reshape.onnx").write_bytes(RESHAPE)
        self.yaml = Path(folder.name) / "reshape.yaml"
        self.yaml.write_text(DESCRIPTION)

    def test_outputs_are_the_callers_own(self) -> None:
        model = edgecore.Model(self.yaml)
        ones, twos = (np.full((1, 3, 16, 16), value, np.float32) for value in (1, 2))
        first = model.run({"x": ones})["y"]
        second = model.run({"x": twos})["y"]
        np.testing.assert_array_equal(first, ones.reshape(1, 6, 128))
        np.testing.assert_array_equal(second, twos.reshape(1, 6, 128))
        self.assertTrue(first.flags.owndata and first.flags.writeable)

    def test_outputs_without_a_copy_are_read_only_views(self) -> None:
        model = edgecore.Model(self.yaml)
        ones = np.ones((1, 3, 16, 16), np.float32)
        view = model.run({"x": ones}, copy=False)["y"]
        del model
        gc.collect()
        np.testing.assert_array_equal(view, ones.reshape(1, 6, 128))
        self.assertFalse(view.flags.owndata or view.flags.writeable)

    def test_inputs_may_be_taken_from_the_dict_meanwhile(self) -> None:
        model = edgecore.Model(self.yaml)
        inputs = {"x": np.ones((1, 3, 16, 16), np.float32)}
        ended = threading.Event()

        def replace() -> None:
            while not ended.is_set():
                inputs["x"] = np.ones((1, 3, 16, 16), np.float32)

        thread = threading.Thread(target=replace)
        thread.start()
        try:
            self.assertEqual({float(model.run(inputs)["y"].min()) for _ in range(200)}, {1.0})
        finally:
            ended.set()
            thread.join()

    def test_a_model_is_the_file_that_somebody_vouches_for(self) -> None:
        found = hashlib.sha256(RESHAPE).hexdigest()
        self.yaml.write_text(DESCRIPTION + f"sha256: {found}\n")
        edgecore.Model(self.yaml)
        self.yaml.write_text(DESCRIPTION + f"sha256: {'0' * 64}\n")
        with self.assertRaisesRegex(edgecore.Error, f"sha256: expected {'0' * 64}, found {found}") as caught:
            edgecore.Model(self.yaml)
        self.assertEqual(caught.exception.code, "corrupt")

    def test_threads_are_bounded(self) -> None:
        for threads in (0, 1025):
            with self.assertRaisesRegex(edgecore.Error, f"threads: expected 1..1024, found {threads}"):
                edgecore.Model(self.yaml, threads=threads)


if __name__ == "__main__":
    unittest.main()
