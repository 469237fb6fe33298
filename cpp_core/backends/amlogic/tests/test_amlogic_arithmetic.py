"""The numbers that a network is quantized with, and the pictures that they are judged on."""

from __future__ import annotations

import random

import numpy as np
import pytest
from amlogic_arithmetic import requantized, sum_scale, weight_scale
from amlogic_pictures import CALIBRATION, FACES, PROOF, SELECTION, Frames

from tests.data import VIDEOS

APART = 4  # frames; the nearest ones look the same


@pytest.mark.parametrize("proof", [PROOF, FACES])
@pytest.mark.parametrize("choice", [CALIBRATION, SELECTION])
def test_nothing_is_proven_on_a_picture_that_something_was_chosen_by(proof: Frames, choice: Frames) -> None:
    assert {*proof, *choice} <= set(VIDEOS)
    for video in proof.keys() & choice.keys():
        assert min(abs(a - b) for a in proof[video] for b in choice[video]) >= APART


def test_float32_has_the_multiplier_of_a_convolution_exactly_and_its_products() -> None:
    """So that what the NPU cuts off is nothing, and ONNX Runtime rounds the same products."""
    source = random.Random(0)
    for _ in range(200):
        scales = [10 ** source.uniform(-3, 0) for _ in range(2)]
        wanted = 10 ** source.uniform(-4, -2) * scales[1] / scales[0]
        found = weight_scale(wanted, source=scales[0], out=scales[1])
        assert wanted * 0.999999 <= found <= wanted * 1.03
        multiplier = np.float32(scales[0]) * np.float32(found) / np.float32(scales[1])
        sums = np.arange(-40_000, 40_000)
        sums = sums[np.abs(sums * float(multiplier)) < 255]
        products = sums.astype(np.float32) * multiplier
        assert np.array_equal(requantized(sums, float(multiplier), 128), stored(products, 128))


def stored(values: np.ndarray, zero_point: int) -> np.ndarray:
    return np.clip(np.rint(values) + zero_point, 0, 255).astype(np.uint8)


def test_a_sum_is_rounded_alike_in_float_and_by_weights_of_255() -> None:
    source = random.Random(0)
    for _ in range(5):
        summands = 10 ** source.uniform(-3, 0)
        wanted = summands * source.uniform(0.7, 2)
        found = sum_scale(wanted, summands=summands)
        assert wanted * 0.999999 <= found <= wanted * 1.01
        real = np.arange(-255, 256).astype(np.float32) * np.float32(summands)
        whole = 255 * np.arange(-255, 256)
        for a, b in zip(real, whole, strict=True):
            ours = requantized(whole + b, summands / 255 / found, 128)
            assert np.array_equal(ours, stored((real + a) / np.float32(found), 128))
