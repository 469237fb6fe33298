"""Safe unpacking of wheels, tar archives and Debian packages: a member that would leave its folder is refused."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from edgebuild.errors import NotAvailable, VerificationError

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60
# What Debian's usr-merge moved below /usr. Packages of before still carry ./lib/...; the links stay whole.
_MERGED = ("bin", "sbin", "lib", "lib64")
# Wheels put what belongs beside site-packages into NAME.data/SCHEME/ (PEP 427).
_WHEEL_DATA = re.compile(r"^[^/]+\.data/(?:data|purelib|platlib)/")
_WHEEL_INFO = re.compile(r"^[^/]+\.dist-info/")
# What a damaged or hostile archive leads to. A full disk is neither, and stays an OSError.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    ValueError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
)


def unpack_wheel(wheel: Path, root: Path) -> None:
    """Files of a wheel below root, data schemes merged, x-bits and links kept, metadata left out.

    Links: zip has none that wheels may use; builders that need them list "path,target,is_directory" lines
    in NAME.dist-info/symlinks.txt. Raises VerificationError.
    """
    links = ""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                if member.is_dir():
                    continue
                if _WHEEL_INFO.match(member.filename):
                    if member.filename.endswith("/symlinks.txt"):
                        links = archive.read(member).decode()
                    continue
                with archive.open(member) as source:
                    mode = member.external_attr >> 16
                    _write(_place(root, _WHEEL_DATA.sub("", member.filename), wheel), source, mode)
    except _DAMAGE as err:
        raise _damaged(wheel, err) from err
    for line in links.splitlines():
        name, target, _ = line.rsplit(",", 2)
        _link(_place(root, _WHEEL_DATA.sub("", name), wheel), target, root, wheel)


def unpack_tar(tarball: Path, root: Path, *, strip: int = 0) -> None:
    """Files of a tar archive of any packing below root, without the first `strip` folders of every name.

    Owners, set-id bits and device nodes are left out. Raises VerificationError.
    """

    def stripped(name: str) -> str:
        return "/".join(PurePosixPath(name).parts[strip:])

    try:
        with tarfile.open(tarball) as archive:
            _unpack_members(archive, stripped, root, tarball)
    except _DAMAGE as err:
        raise _damaged(tarball, err) from err


def make_merged_usr(root: Path) -> None:
    """An empty root whose /bin, /sbin, /lib and /lib64 are links into /usr, as every Debian since 12 has it."""
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")


def unpack_deb(deb: Path, root: Path, *, drop: re.Pattern[str] | None = None) -> None:
    """Files of a Debian package below a root that make_merged_usr() began.

    drop: full matches of these root-relative paths are left out. Links become relative, set-id bits are
    cleared, device nodes are left out. Maintainer scripts are not run. Raises VerificationError.
    """

    def kept(name: str) -> str:
        merged = _merged_name(name)
        return "" if drop and drop.fullmatch(merged) else merged

    try:
        with deb.open("rb") as file, _part_of_deb(file, "data.tar", deb) as archive:
            _unpack_members(archive, kept, root, deb)
    except _DAMAGE as err:
        raise _damaged(deb, err) from err


def read_deb_control(deb: Path) -> str:
    """A Debian package's fields ("Package: libc6", ...), as its own control file has them. Raises VerificationError."""
    try:
        with deb.open("rb") as file, _part_of_deb(file, "control.tar", deb) as archive:
            for member in archive:
                if PurePosixPath(member.name) == PurePosixPath("control") and (content := archive.extractfile(member)):
                    return content.read().decode()
    except _DAMAGE as err:
        raise _damaged(deb, err) from err
    raise _damaged(deb, ValueError("no control file in it"))


def compile_globs(globs: Iterable[str]) -> re.Pattern[str] | None:
    """One expression for all; "*" also crosses folders, so "usr/share/doc/*" is everything below."""
    patterns = [fnmatch.translate(glob) for glob in globs]
    return re.compile("|".join(patterns)) if patterns else None


def _unpack_members(archive: tarfile.TarFile, rename: Callable[[str], str], root: Path, source: Path) -> None:
    """rename: a member's name -> its path below root, "" to leave it out. source: the file, for messages."""
    for member in archive:
        name = rename(member.name)
        if not name:
            continue
        place = _place(root, name, source)
        if member.isdir():
            # A link to a folder stays a link: replacing lib -> usr/lib would split the root in two.
            if not place.is_dir():
                place.mkdir()
        elif member.issym():
            _link(place, member.linkname, root, source)
        elif member.islnk():
            _hard_link(place, rename(member.linkname), root, source)
        elif member.isfile():
            content = archive.extractfile(member)
            assert content is not None
            _write(place, content, member.mode)


def _merged_name(name: str) -> str:
    """Root-relative path after usr-merge; "" for the root itself."""
    parts = PurePosixPath(name.lstrip("/")).parts
    if parts and parts[0] in _MERGED:
        return "/".join(("usr", *parts)) if len(parts) > 1 else ""
    return "/".join(parts)


def _place(root: Path, name: str, archive: Path) -> Path:
    """Where a member goes, its parents made and real. Raises VerificationError if that is not below root."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or name.startswith("/"):
        raise _escape(name, archive)
    parent = root.joinpath(*parts[:-1])
    base, real = os.path.realpath(root), os.path.realpath(parent)
    if real != base and not real.startswith(base + os.sep):
        raise _escape(name, archive)
    Path(real).mkdir(parents=True, exist_ok=True)
    return Path(real) / parts[-1]


def _write(place: Path, source: IO[bytes], mode: int) -> None:
    if not (mode == 0 or stat.S_IFMT(mode) in (0, stat.S_IFREG)):
        msg = f"{place.name}: neither a file nor a folder"
        raise ValueError(msg)
    place.unlink(missing_ok=True)
    with place.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 18)
    place.chmod(0o755 if mode & 0o100 else 0o644)


def _hard_link(place: Path, name: str, root: Path, source: Path) -> None:
    """name: of a member that came earlier. Nothing is made when that one was left out."""
    if name and (target := _place(root, name, source)).is_file():
        place.unlink(missing_ok=True)
        os.link(target, place, follow_symlinks=False)


def _link(place: Path, target: str, root: Path, archive: Path) -> None:
    """A relative link. place is real, so ".." in it means what the path says."""
    base = Path(os.path.realpath(root))
    if target.startswith("/"):
        target = os.path.relpath(base / target.lstrip("/"), place.parent)
    elif not os.path.normpath(place.parent / target).startswith(str(base) + os.sep):
        raise _escape(f"{place.relative_to(base)} -> {target}", archive)
    if place.is_dir() and not place.is_symlink():
        return  # an empty folder of a package that came earlier holds the place already
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def _part_of_deb(file: BinaryIO, part: str, deb: Path) -> tarfile.TarFile:
    """The "data.tar" or "control.tar" of a package, as a stream. Format: deb(5), ar(5)."""
    if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
        msg = "no ar archive"
        raise ValueError(msg)
    while len(header := file.read(_AR_HEADER_BYTES)) == _AR_HEADER_BYTES:
        name = header[:16].decode().strip().rstrip("/")
        size_bytes = int(header[48:58])
        if name.endswith(".zst"):
            msg = f"{deb.name}: packed with zstd, which this Python cannot read"
            raise NotAvailable(msg, "choose a suite whose packages are packed with xz.")
        if name.startswith(part):
            # The stream ends with the tar's own end marker, so the ar padding behind it does no harm.
            return tarfile.open(fileobj=file, mode="r|*")
        file.seek(size_bytes + size_bytes % 2, os.SEEK_CUR)
    msg = f"no {part} in it"
    raise ValueError(msg)


def _escape(name: str, archive: Path) -> VerificationError:
    return VerificationError(f"{archive.name}: member '{name}' would leave the folder it is unpacked into")


def _damaged(archive: Path, err: Exception) -> VerificationError:
    msg = f"{archive.name}: damaged archive ({err or type(err).__name__})"
    return VerificationError(msg, "fetch or build it again; if its sha256 is the locked one, its source is damaged.")
