"""Promises of the installed package that need no model: python -m unittest (also under an emulated Python)."""

import gc
import sys
import threading
import unittest

import edgecore
import numpy as np


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
        self.assertIn("cpu", [module["name"] for module in edgecore.backends()])


if __name__ == "__main__":
    unittest.main()
