"""What a wheel says of itself: in its file name, and in its WHEEL file."""

from __future__ import annotations

import struct
import zipfile
import zlib
from email.parser import HeaderParser
from pathlib import Path

from packaging.tags import Tag, parse_tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from edgebuild.errors import ConfigError, VerificationError
from edgebuild.model.tree import WheelFacts
from edgebuild.placing import printable

_MAX_METADATA_BYTES = 1 << 20
_MAX_TAGS = 1000
_MAX_ALTERNATIVES = 30  # in one tag: "cp39.cp310-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64" has two
# What the standard library answers to a damaged zip.
_DAMAGE = (
    OSError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, NotImplementedError, ValueError,
)  # fmt: skip


def read_wheel_facts(wheel: Path) -> WheelFacts:
    """Raises ConfigError for a name that no wheel has, VerificationError for one that no installer could read."""
    try:
        project, _, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as err:
        msg = f"{wheel.name}: not the name of a wheel: {err}"
        raise ConfigError(msg, "NAME-VERSION-PYTHON-ABI-PLATFORM.whl, as it was downloaded or built.") from err
    headers = HeaderParser().parsestr(_metadata(wheel, project))
    written = {tag for text in headers.get_all("Tag", ())[:_MAX_TAGS] for tag in _tags(text, wheel)}
    return WheelFacts(
        file=wheel.name,
        tags=tuple(sorted(map(str, tags))),
        wheel_tags=tuple(sorted(map(str, written))),
        pure=headers.get("Root-Is-Purelib", "").strip().lower() == "true",
    )


def _tags(text: str, wheel: Path) -> frozenset[Tag]:
    try:
        if text.count("-") == 2 and text.count(".") < _MAX_ALTERNATIVES:  # they multiply
            return parse_tag(text.strip())
    except ValueError:  # packaging's InvalidTag, from 26 on
        pass
    msg = f"{wheel.name}: its WHEEL file has the tag '{printable(text.strip()[:100])}'"
    raise VerificationError(msg, "a tag is PYTHON-ABI-PLATFORM; build the wheel again.")


def _metadata(wheel: Path, project: str) -> str:
    """Text of NAME-VERSION.dist-info/WHEEL. Builders spell the project's name in several ways."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if _is_wheel_file(name, project)]
            if len(names) == 1:
                # No LZMA: a header of its may ask for gigabytes of memory, and no installer writes it.
                if archive.getinfo(names[0]).compress_type == zipfile.ZIP_LZMA:
                    raise ValueError("packed in a way that no installer reads")
                with archive.open(names[0]) as file:
                    return file.read(_MAX_METADATA_BYTES).decode("utf-8", "replace")
    except _DAMAGE as err:
        msg = f"{wheel.name}: damaged wheel ({err})"
        raise VerificationError(msg, "build or download it again.") from err
    msg = f"{wheel.name}: has {len(names)} WHEEL files for {project}, expected one"
    raise VerificationError(msg, "it is not a wheel, or belongs to another project; build or download it again.")


def _is_wheel_file(name: str, project: str) -> bool:
    folder, slash, file = name.partition("/")
    if not slash or file != "WHEEL" or not folder.endswith(".dist-info"):
        return False
    return canonicalize_name(folder.removesuffix(".dist-info").rpartition("-")[0]) == project
