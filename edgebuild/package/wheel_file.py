"""The wheel as a file: packed so that equal contents give equal bytes, and never believed without a look inside."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from email.parser import Parser
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from edgebuild.elf import read_elves
from edgebuild.errors import VerificationError
from edgebuild.model.arch import Arch
from edgebuild.model.elf import ElfFacts
from edgebuild.model.target import PythonSpec
from edgebuild.package.tarball import source_date
from edgebuild.package.wheel_tag import soabi, wheel_tag

_ZIP_EPOCH = 315532800  # 1980-01-01, where the clock of zip begins
_EXTENSION = re.compile(r"\.(?:cpython-\d+\w*-[\w-]+|abi3)\.so$")


def unpack(wheel: Path, tree: Path) -> None:
    """Everything of a wheel, with its x-bits. For wheels made here."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            place = Path(archive.extract(member, tree))
            if place.is_file():
                place.chmod(0o755 if member.external_attr >> 16 & 0o100 else 0o644)


def pack(tree: Path, folder: Path, *, tag: str) -> Path:
    """Packs an unpacked wheel under another tag, with a RECORD that is true again."""
    (info,) = tree.glob("*.dist-info")
    metadata = (info / "WHEEL").read_text()
    (info / "WHEEL").write_text(re.sub(r"(?m)^Tag: .*(?:\nTag: .*)*$", f"Tag: {tag}", metadata))
    record = info / "RECORD"
    record.write_text(
        _render_record({path.relative_to(tree).as_posix(): path.read_bytes() for path in _files(tree)}, info.name)
    )
    wheel = folder / f"{info.name.removesuffix('.dist-info')}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in [*(path for path in _files(tree) if path != record), record]:  # RECORD last: PEP 427 recommends it
            archive.writestr(_member(path, tree), path.read_bytes())
    return wheel


def _files(tree: Path) -> Iterator[Path]:
    return (path for path in sorted(tree.rglob("*")) if path.is_file())


def _member(path: Path, tree: Path) -> zipfile.ZipInfo:
    moment = time.gmtime(max(source_date(), _ZIP_EPOCH))[:6]
    member = zipfile.ZipInfo(path.relative_to(tree).as_posix(), moment)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.create_system = 3  # Unix, so that the mode below counts
    member.external_attr = (0o100755 if path.stat().st_mode & 0o100 else 0o100644) << 16
    return member


# ---- RECORD (PEP 376, PEP 427) ----


def _render_record(files: Mapping[str, bytes], info: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name, content in files.items():
        writer.writerow((name, "", "") if name == f"{info}/RECORD" else (name, _digest(content), len(content)))
    return text.getvalue()


def _digest(content: bytes) -> str:
    sha = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"sha256={sha}"


# ---- Verification ----


def verify(wheel: Path, python: PythonSpec, arch: Arch) -> tuple[ElfFacts, ...]:
    """Checks that name, metadata, suffixes and machine code all speak of the same target. Returns the ELF facts.

    scikit-build-core writes what it is told, or what the host's Python says, and never looks: it packs AArch64
    code as an x86-64 module of an x86-64 wheel and reports success. Raises VerificationError.
    """
    with zipfile.ZipFile(wheel) as archive:
        files = {member.filename: archive.read(member) for member in archive.infolist() if not member.is_dir()}
    with tempfile.TemporaryDirectory() as folder:
        unpack(wheel, Path(folder))
        elves = read_elves(Path(folder))
    for problem in (
        *_metadata_problems(wheel, files),
        *_record_problems(files),
        *_machine_problems(elves, arch),
        *_extension_problems(elves, python, arch),
    ):
        msg = f"{wheel.name}: {problem}"
        raise VerificationError(msg, "this is a defect of the wheel's build; it was not kept.")
    expected = wheel_tag(python, arch, elves)
    if not wheel.stem.endswith(f"-{expected}"):
        msg = f"{wheel.name}: named for another platform than what is inside, which is {expected}"
        raise VerificationError(msg, "the tag follows from the target's Python and the ELF files' version nodes.")
    return elves


def _metadata_problems(wheel: Path, files: Mapping[str, bytes]) -> Iterator[str]:
    try:
        tags = {str(tag) for tag in parse_wheel_filename(wheel.name)[3]}
    except InvalidWheelFilename:
        yield "not the name of a wheel"
        return
    names = [name for name in files if re.fullmatch(r"[^/]+\.dist-info/WHEEL", name)]
    if len(names) != 1:
        yield f"has {len(names)} WHEEL files, expected 1"
        return
    metadata = Parser().parsestr(files[names[0]].decode())
    if metadata["Root-Is-Purelib"] != "false":
        yield f"WHEEL says Root-Is-Purelib: {metadata['Root-Is-Purelib']}, but it carries machine code"
    if set(metadata.get_all("Tag", [])) != tags:
        yield f"WHEEL says {', '.join(metadata.get_all('Tag', []))}, the file name {', '.join(sorted(tags))}"


def _record_problems(files: Mapping[str, bytes]) -> Iterator[str]:
    records = [name for name in files if re.fullmatch(r"[^/]+\.dist-info/RECORD", name)]
    if len(records) != 1:
        yield f"has {len(records)} RECORD files, expected 1"
        return
    rows = {row[0]: tuple(row[1:]) for row in csv.reader(io.StringIO(files[records[0]].decode())) if row}
    if difference := sorted(set(rows) ^ set(files)):
        yield f"RECORD and contents differ in {', '.join(difference)}"
    for name, content in files.items():
        if name in rows and name != records[0] and rows[name] != (_digest(content), str(len(content))):
            yield f"RECORD states another digest or size of {name}"


def _machine_problems(elves: tuple[ElfFacts, ...], arch: Arch) -> Iterator[str]:
    for elf in elves:
        if elf.machine != arch.elf_machine:
            yield f"{elf.name} has code for {elf.machine}, expected {arch.elf_machine}"


def _extension_problems(elves: tuple[ElfFacts, ...], python: PythonSpec, arch: Arch) -> Iterator[str]:
    """A module with another interpreter's suffix is not found by `import`, and nobody says why."""
    suffix = f".{soabi(python, arch)}.so"
    extensions = [
        elf for elf in elves if _EXTENSION.search(elf.name) or any(s.startswith("PyInit_") for s in elf.exported)
    ]
    if not extensions:
        yield "has no extension module"
    for elf in extensions:
        if not elf.name.endswith(suffix):
            yield f"{elf.name} is not named for this Python, expected *{suffix}"
