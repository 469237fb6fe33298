"""Input number so and so: an artifact, damaged or hostile. Equal numbers give equal bytes."""

from __future__ import annotations

import io
import random
import zipfile

from tests.fuzz import seeds
from tests.fuzz.hostile import EXPENSIVE, HOSTILE, Built
from tests.fuzz.mutate import damaged, damaged_elf, damaged_tar

WHEEL = "m-1-cp39-cp39-linux_aarch64.whl"
_EXPENSIVE_SHARE = 0.01  # each takes as long as a hundred others


def make(number: int) -> tuple[str, str, bytes]:
    """(kind, file name, content)."""
    rng = random.Random(f"edgebuild fuzz {number}")
    if rng.random() < _EXPENSIVE_SHARE:
        build = rng.choice(EXPENSIVE)
        return (build.__name__, *build(rng))
    build = rng.choice((_elf, _elf, _wheel, _tar, _deb, _image, _image, _outside, _other, *HOSTILE))
    return (build.__name__.strip("_"), *build(rng))


def _elf(rng: random.Random) -> Built:
    return "x.so", damaged_elf(rng.choice(seeds.elves()), rng)


def _wheel(rng: random.Random) -> Built:
    """The zip itself damaged, or what is in it."""
    if rng.random() < 0.5:
        return WHEEL, damaged(seeds.wheel(), rng)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(seeds.wheel())) as source, zipfile.ZipFile(buffer, "w") as archive:
        for member in source.infolist():
            content = source.read(member)
            archive.writestr(member.filename, damaged(content, rng) if rng.random() < 0.4 else content)
    return WHEEL, buffer.getvalue()


def _tar(rng: random.Random) -> Built:
    packing = rng.choice(list(seeds.PACKERS))
    return f"x.tar{'.' if packing else ''}{packing}", seeds.PACKERS[packing](damaged_tar(seeds.plain_tar(), rng))


def _deb(rng: random.Random) -> Built:
    packing = rng.choice(("xz", "zst", "gz", ""))
    content = seeds.deb(seeds.PACKERS[packing](damaged_tar(seeds.deb_tree(), rng)), packing)
    return "x.deb", damaged(content, rng) if rng.random() < 0.2 else content


def _image(rng: random.Random) -> Built:
    """Its layers damaged and packed again, with the right digests; sometimes the archive as well."""
    layers = tuple(
        seeds.PACKERS[rng.choice(("gz", "gz", "zst", ""))](damaged_tar(each, rng) if rng.random() < 0.7 else each)
        for each in seeds.layer_trees()
    )
    content = seeds.image(layers, rng.choice(("oci", "docker", "both")))
    return "x.tar", damaged_tar(content, rng) if rng.random() < 0.3 else content


def _outside(rng: random.Random) -> Built:
    """The packed bytes themselves: what a broken download looks like."""
    name, content = rng.choice(
        (
            ("x.tar.gz", seeds.PACKERS["gz"](seeds.plain_tar())),
            ("x.tar.xz", seeds.PACKERS["xz"](seeds.plain_tar())),
            ("x.tar.zst", seeds.PACKERS["zst"](seeds.plain_tar())),
            ("x.tar.bz2", seeds.PACKERS["bz2"](seeds.plain_tar())),
            ("x.deb", seeds.deb(seeds.PACKERS["xz"](seeds.deb_tree()), "xz")),
        )
    )
    return name, damaged(content, rng)


def _other(rng: random.Random) -> Built:
    name = rng.choice(("lib/libold.a", "m/__pycache__/m.cpython-39.pyc", "bin/start.sh"))
    return name.rpartition("/")[2], damaged(seeds.files()[name], rng, seeds.elves()[:3])
