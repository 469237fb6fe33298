#!/usr/bin/env python3
"""Write affine.nb, the contract suite's model for the stand-in: y = 2 * x + 1 on 1x4, stored as int16 in halves.

The same for VeriSilicon's own library is compiled at test time: compile_network.cc. Run it from anywhere.
"""

from pathlib import Path

from amlogic_nbg import FIXED_POINT, Port, affine_program, nbg


def affine_model() -> bytes:
    x, y = (Port(name, "int16", (1, 4), FIXED_POINT, position=1) for name in ("x", "y"))
    return nbg((x,), (y,), affine_program(2.0, 1.0))


if __name__ == "__main__":
    Path(__file__).with_name("affine.nb").write_bytes(affine_model())
