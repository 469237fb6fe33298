"""Safe unpacking of wheels, tar archives and Debian packages: a member that would leave its folder is refused."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from edgebuild.errors import VerificationError
from edgebuild.packed import Bounds, Packer, Readable, Unpacked, title_of
from edgebuild.placing import Below, printable
from edgebuild.tarstream import Content, Member, read_members

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60
_MAX_CONTROL_BYTES = 1 << 20
# What Debian's usr-merge moved below /usr. Packages of before still carry ./lib/...; the links stay whole.
_MERGED = ("bin", "sbin", "lib", "lib64")
# Wheels put what belongs beside site-packages into NAME.data/SCHEME/ (PEP 427).
_WHEEL_DATA = re.compile(r"^[^/]+\.data/(?:data|purelib|platlib)/")
_WHEEL_INFO = re.compile(r"^[^/]+\.dist-info/")
# Others need decoders whose memory a header decides; no tool packs wheels with them.
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_MAX_LINKS_BYTES = 1 << 20
_MAX_TARGET_BYTES = 4096  # PATH_MAX
_ENCRYPTED = 0x1
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
# What a damaged or hostile archive leads to.
_DAMAGE = (zipfile.BadZipFile, struct.error, zlib.error, EOFError, ValueError, NotImplementedError)
# The same, as the file system tells it: files where folders should be, links in circles, names that cannot be. A full
# disk is neither, and stays an OSError.
_DAMAGE_ERRNO = (
    errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG,
    errno.ENOTDIR, errno.ENOTEMPTY,
)  # fmt: skip


def unpack_wheel(wheel: Path, root: Path) -> None:
    """Files of a wheel below root, data schemes merged, x-bits and links kept, metadata left out.

    Links: zip has none that wheels may use; builders that need them list "path,target,is_directory" lines
    in NAME.dist-info/symlinks.txt. Raises VerificationError.
    """
    below, bounds = Below(root, title_of(wheel)), Bounds.of_file(wheel)
    links = ""
    with _damage_is_told(title_of(wheel)), zipfile.ZipFile(wheel) as archive:
        for member in _zip_members(archive, bounds):
            content = _ZipContent(archive, member, bounds)
            if _WHEEL_INFO.match(member.filename):
                if member.filename.endswith("/symlinks.txt"):
                    links = _whole(content, _MAX_LINKS_BYTES).decode()
                continue
            mode = member.external_attr >> 16
            if not (mode == 0 or stat.S_IFMT(mode) in (0, stat.S_IFREG)):
                raise ValueError(f"{printable(member.filename)}: neither a file nor a folder")
            below.write(_plain(_WHEEL_DATA.sub("", member.filename)), content, mode)
        for line in links.splitlines():
            name, target, _ = line.rsplit(",", 2)
            below.link(_plain(_WHEEL_DATA.sub("", name)), target)


def unpack_zip(
    archive: Path, root: Path, *, keep: Callable[[str], bool] | None = None, absolute: dict[str, str] | None = None
) -> None:
    """Every file and link of a zip archive below root; of a wheel its metadata, too. absolute: see unpack_tar.

    keep: says by name which files are wanted; without regard to it where there are links among them, which may lead to
    others. Raises VerificationError.
    """
    below, bounds = Below(root, title_of(archive), absolute), Bounds.of_file(archive)
    with _damage_is_told(title_of(archive)), zipfile.ZipFile(archive) as zipped:
        members = list(_zip_members(zipped, bounds))
        has_links = any(stat.S_ISLNK(member.external_attr >> 16) for member in members)
        for member in members:
            if keep and not has_links and not keep(_plain(member.filename)):
                continue
            content = _ZipContent(zipped, member, bounds)
            mode = member.external_attr >> 16
            match stat.S_IFMT(mode):
                case stat.S_IFLNK:  # as Info-ZIP's zip -y writes them
                    below.link(_plain(member.filename), _whole(content, _MAX_TARGET_BYTES).decode())
                case 0 | stat.S_IFREG:
                    below.write(_plain(member.filename), content, mode)
                case _:
                    raise ValueError(f"{printable(member.filename)}: neither a file, a folder nor a link")


def unpack_tar(
    tarball: Path,
    root: Path,
    *,
    strip: int = 0,
    offset: int = 0,
    bounds: Bounds | None = None,
    absolute: dict[str, str] | None = None,
) -> None:
    """Files of a tar archive of any packing below root, without the first `strip` folders of every name.

    Owners, set-id bits and device nodes are left out. offset: bytes before it, in a file that unpacks itself.
    bounds: where it is only one of an artifact's archives. absolute: gets name -> target of
    links that name a place from the root on; they are made to lead inside. Raises VerificationError.
    """

    def stripped(name: str) -> str:
        return "/".join(PurePosixPath(name).parts[strip:])

    with _damage_is_told(title_of(tarball)), tarball.open("rb") as file:
        file.seek(offset)
        stream = Unpacked(file, bounds or Bounds.of_file(tarball))
        _unpack_members(stream, stripped, Below(root, title_of(tarball), absolute))


def unpack_layer(layer: Path, root: Path, bounds: Bounds) -> Packer:
    """A layer of an image over those below it, as engines do it; says how it was packed.

    Whiteouts hide what lower layers have, never what this one has. bounds: of the whole image. Raises
    VerificationError. Source: OCI image-spec 1.1, layer.md; moby, pkg/archive/diff.go (UnpackLayer).
    """
    below = Below(root, bounds.archive)
    own: set[str] = set()  # names that this layer has written, with the folders above them
    with _damage_is_told(bounds.archive), layer.open("rb") as file:
        stream = Unpacked(file, bounds)
        for member, content in read_members(stream):
            bounds.count_member()
            name = _plain(member.name.lstrip("/"))
            folder, _, last = name.rpartition("/")
            if last == _OPAQUE:
                below.empty(folder, but=own)
            elif last.startswith(_WHITEOUT):
                below.remove(f"{folder}/{last.removeprefix(_WHITEOUT)}".lstrip("/"), but=own)
            elif name:
                _place_over(below, name, member, content)
                own.update(_with_folders(name))
    return stream.packer


def make_merged_usr(root: Path) -> None:
    """An empty root whose /bin, /sbin, /lib and /lib64 are links into /usr, as every Debian since 12 has it."""
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")


def unpack_deb(
    deb: Path, root: Path, *, drop: re.Pattern[str] | None = None, absolute: dict[str, str] | None = None
) -> None:
    """Files of a Debian package below a root that make_merged_usr() began.

    drop: full matches of these root-relative paths are left out. Links become relative, set-id bits are
    cleared, device nodes are left out. Maintainer scripts are not run. absolute: see unpack_tar. Raises
    VerificationError.
    """

    def kept(name: str) -> str:
        merged = _merged_name(name)
        return "" if drop and drop.fullmatch(merged) else merged

    with _damage_is_told(title_of(deb)), deb.open("rb") as file:
        part = _part_of_deb(file, "data.tar")
        _unpack_members(Unpacked(part, Bounds.of_file(deb)), kept, Below(root, title_of(deb), absolute))


def read_deb_control(deb: Path) -> str:
    """A Debian package's fields ("Package: libc6", ...), as its own control file has them. Raises VerificationError."""
    with _damage_is_told(title_of(deb)), deb.open("rb") as file:
        for member, content in read_members(Unpacked(_part_of_deb(file, "control.tar"), Bounds.of_file(deb))):
            if _plain(member.name) == "control":
                return _whole(content, _MAX_CONTROL_BYTES).decode()
        raise ValueError("no control file in it")


def compile_globs(globs: Iterable[str]) -> re.Pattern[str] | None:
    """One expression for all; "*" also crosses folders, so "usr/share/doc/*" is everything below."""
    patterns = [fnmatch.translate(glob) for glob in globs]
    return re.compile("|".join(patterns)) if patterns else None


# ---- tar ----


def _unpack_members(stream: Unpacked, rename: Callable[[str], str], below: Below) -> None:
    """rename: a member's name -> its path below the root, "" to leave it out."""
    for member, content in read_members(stream):
        stream.bounds.count_member()
        name = rename(member.name)
        if not name:
            continue
        match member.kind:
            case "folder":
                below.make_folder(name)
            case "link":
                below.link(name, member.target)
            case "hard link":
                below.hard_link(name, rename(member.target))
            case "file":
                below.write(name, content, member.mode)
            case "other":
                below.place(name)  # nothing is made of it, but a name that leads out is refused all the same


def _place_over(below: Below, name: str, member: Member, content: Content) -> None:
    """As in engines: only a folder over a folder leaves what is there."""
    place = below.place(name)
    is_folder = place.is_dir() and not place.is_symlink()
    if not (is_folder and member.kind == "folder") and member.kind != "other":
        target = _plain(member.target.lstrip("/")) if member.kind == "hard link" else ""
        if target != name:
            below.remove(name)
    match member.kind:
        case "folder":
            below.make_folder(name)
        case "link":
            below.link(name, member.target, clamped=True)
        case "hard link":
            below.hard_link(name, _plain(member.target.lstrip("/")))
        case "file":
            below.write(name, content, member.mode)
        case "other":
            pass


def _with_folders(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition("/")[0]


def _plain(name: str) -> str:
    """Without "." and empty parts; ".." and a leading "/" stay, to be refused."""
    return "/".join(PurePosixPath(name).parts)


# ---- zip ----


def _zip_members(archive: zipfile.ZipFile, bounds: Bounds) -> Iterator[zipfile.ZipInfo]:
    """All but folders. The same name twice is refused: which of both counts depends on who unpacks it."""
    seen: dict[str, tuple[int, int]] = {}
    for member in archive.infolist():
        bounds.count_member()
        if not member.filename:  # which is_dir() stumbles over
            raise ValueError("a member without a name")
        if member.is_dir():
            continue
        name = printable(member.filename)
        if seen.setdefault(member.filename, (member.CRC, member.file_size)) != (member.CRC, member.file_size):
            raise ValueError(f"two different files are called {name}")
        if member.compress_type not in _ZIP_METHODS or member.flag_bits & _ENCRYPTED:
            raise ValueError(f"{name}: packed or encrypted in a way that no installer reads")
        yield member


class _ZipContent:
    """A zip member that counts. Opened when it is read."""

    def __init__(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, bounds: Bounds) -> None:
        self._archive, self._member, self._bounds = archive, member, bounds
        self._file: Readable | None = None

    def read(self, size: int, /) -> bytes:
        try:
            self._file = self._file or self._archive.open(self._member)
            content = self._file.read(size)
        except (RuntimeError, OSError) as err:  # of zipfile itself; the disk's own errors have a number
            if isinstance(err, OSError) and err.errno not in (None, errno.EINVAL):
                raise
            raise ValueError(str(err)) from err
        self._bounds.take(len(content))
        return content


def _whole(content: Readable, max_bytes: int) -> bytes:
    text = b""
    while piece := content.read(1 << 16):
        text += piece
        if len(text) > max_bytes:
            raise ValueError(f"a list of more than {max_bytes} bytes")
    return text


# ---- deb ----


def _merged_name(name: str) -> str:
    """Root-relative path after usr-merge; "" for the root itself."""
    parts = PurePosixPath(name.lstrip("/")).parts
    if parts and parts[0] in _MERGED:
        return "/".join(("usr", *parts)) if len(parts) > 1 else ""
    return "/".join(parts)


def _part_of_deb(file: BinaryIO, part: str) -> Readable:
    """The "data.tar" or "control.tar" of a package, still packed. Format: deb(5), ar(5)."""
    if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise ValueError("no ar archive")
    while len(header := file.read(_AR_HEADER_BYTES)) == _AR_HEADER_BYTES:
        digits = header[48:58].strip()
        if not digits.isdigit() or header[58:] != b"`\n":
            raise ValueError("a part's header makes no sense")
        if header[:16].strip().startswith(part.encode()):
            return _Slice(file, int(digits))
        file.seek(int(digits) + int(digits) % 2, os.SEEK_CUR)
    raise ValueError(f"no {part} in it")


class _Slice:
    """The next so many bytes of a file."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file, self._left = file, size_bytes

    def read(self, size: int, /) -> bytes:
        piece = self._file.read(min(size, self._left))
        self._left -= len(piece)
        return piece


# ---- Errors ----


@contextlib.contextmanager
def _damage_is_told(archive: str) -> Iterator[None]:
    """Whatever a damaged archive leads to becomes a VerificationError that names it."""
    try:
        yield
    except RecursionError as err:  # of os.path.realpath
        raise _damaged(archive, "links that lead from one to the next without end") from err
    except _DAMAGE as err:
        raise _damaged(archive, str(err) or type(err).__name__) from err
    except OSError as err:
        if err.errno not in _DAMAGE_ERRNO:
            raise
        raise _damaged(archive, err.strerror or str(err)) from err


def _damaged(archive: str, reason: str) -> VerificationError:
    msg = f"{archive}: damaged archive ({printable(reason)})"
    return VerificationError(msg, "fetch or build it again; if its sha256 is the locked one, its source is damaged.")
