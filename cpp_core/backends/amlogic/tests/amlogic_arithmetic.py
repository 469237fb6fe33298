"""How the A311D's NPU computes in uint8, as VeriSilicon's emulator shows, and scales with which ONNX Runtime agrees.

A convolution adds up products of integers, zero points taken off, and the bias. The sum is multiplied by source x
weights / out, computed in float32, of which 16 significant bits are kept; the rest is cut off, not rounded. The product
is rounded to the nearest, ties to even, and saturated around the output's zero point. ONNX Runtime multiplies by all 24
bits in float32 and does the rest alike. So both agree in every number if the multiplier is short.

An addition behind a convolution is compiled as one more convolution. Its weights are uint8: 255 for the summand with
the larger scale, and for the other one what is nearest. So they are exact only where both have the same scale.

A sigmoid is a table with straight lines between its entries, and now and then rounds to the other side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_NPU_BITS, _FLOAT_BITS, _STORED_BITS = 16, 24, 8
_LEAST_BITS = 8  # the steps between shorter ones would cost the weights more than a percent of their resolution
_SUM_WEIGHT = 255
_ABOVE = 1 + 2**-21  # float32 loses less on the way, so that nothing is cut off


def requantized(sums: NDArray[np.int64], multiplier: float, zero_point: int) -> NDArray[np.uint8]:
    """A convolution's sums as the NPU stores them."""
    fraction, exponent = math.frexp(multiplier)
    cut = math.ldexp(math.floor(math.ldexp(fraction, _NPU_BITS)), exponent - _NPU_BITS)
    return np.clip(np.rint(sums * cut) + zero_point, 0, 255).astype(np.uint8)


def covering(low: float, high: float) -> float:
    """A scale, rounded up to three digits, so that CPUs which differ in a last bit agree."""
    return float(f"{(max(high, 0.0) - min(low, 0.0)) / 255 * 1.005:.3g}")


def weight_scale(at_least: float, *, source: float, out: float) -> float:
    """Such that source x weights / out, which NPU and ONNX Runtime compute in float32, is a short number."""
    x, y = np.float32(source), np.float32(out)
    for multiplier in _short_from(at_least * source / out):
        near = np.float32(multiplier * out / source)
        for scale in (near, np.nextafter(near, np.float32(math.inf)), np.nextafter(near, np.float32(0))):
            if x * scale / y == multiplier:
                return float(scale)
    msg = f"no scale of weights between {source} and {out}"
    raise AssertionError(msg)


def sum_scale(at_least: float, *, summands: float) -> float:
    """Of a + b, where both have the scale `summands`. All pairs of stored numbers are tried."""
    each = np.arange(-255, 256)
    real = each.astype(np.float32) * np.float32(summands)
    real, whole = np.add.outer(real, real), np.add.outer(each, each) * _SUM_WEIGHT
    fraction, exponent = math.frexp(summands / _SUM_WEIGHT / at_least)
    for kept in range(math.floor(math.ldexp(fraction, _NPU_BITS)), 0, -1):
        multiplier = math.ldexp(kept, exponent - _NPU_BITS)
        scale = np.float32(summands / _SUM_WEIGHT / (multiplier * _ABOVE))
        if np.array_equal(np.rint(real / scale), np.rint(whole * multiplier)):
            return float(scale)
    msg = f"no scale for sums of two in steps of {summands}"
    raise AssertionError(msg)


def _short_from(at_least: float) -> Iterator[float]:
    """Numbers so short that a float32 holds their product with any sum that ends within 0..255."""
    fraction, exponent = math.frexp(at_least)
    bits = min(max(_FLOAT_BITS - _STORED_BITS + exponent, _LEAST_BITS), _NPU_BITS)
    for kept in range(math.ceil(math.ldexp(fraction, bits)), 2 << bits):
        yield math.ldexp(kept, exponent - bits)
