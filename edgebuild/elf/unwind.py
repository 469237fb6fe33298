"""Functions as the unwind tables know them: they stay in a stripped file, and name no data.

Format: LSB 5.0, "Exception Frames" (.eh_frame_hdr, .eh_frame); DWARF 5, 6.4.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from edgebuild.elf.format import ElfFile

_PT_GNU_EH_FRAME = 0x6474E550
_DATAREL_SDATA4 = 0x3B  # of the sorted table: start of a function and its record, relative to the header
_PCREL_SDATA4, _UDATA4, _OMIT = 0x1B, 0x03, 0xFF
_FIXED_BYTES = {0x2: 2, 0x3: 4, 0x4: 8, 0xA: 2, 0xB: 4, 0xC: 8}
_MAX_ADDRESS = 1 << 56  # so that sums fit into an int64
_NO_FUNCTIONS = np.empty((0, 2), dtype=np.int64)


def unwound_functions(elf: ElfFile) -> npt.NDArray[np.int64]:
    """(n, 2): start and end of every function in the sorted table; empty without one. Nothing here is trusted.

    Where a record is not written as linkers write it, its function ends where the next one starts.
    """
    header = next(elf.of_kind(_PT_GNU_EH_FRAME), None)
    if header is None or header.file_bytes < 12 or header.address > _MAX_ADDRESS:
        return _walked(elf)  # a static program may have the records only
    version, frame_encoding, count_encoding, table_encoding = elf.chunk(header.offset, 4)
    if version != 1 or count_encoding != _UDATA4 or table_encoding != _DATAREL_SDATA4:
        return _NO_FUNCTIONS
    table_at = 4 + _FIXED_BYTES.get(frame_encoding & 15, 4)
    count = min(elf.unpack("I", header.offset + table_at)[0], (header.file_bytes - table_at - 4) // 8)
    if frame_encoding == _OMIT or count < 1:
        return _NO_FUNCTIONS
    body = elf.chunk(header.offset + table_at + 4, count * 8)
    table = np.frombuffer(body, dtype="<i4").reshape(-1, 2).astype(np.int64) + header.address
    starts = table[:, 0]
    following = np.append(starts[1:], starts[-1] + 4)
    sizes = _sizes(elf, starts, table[:, 1])
    return np.column_stack((starts, np.where(sizes > 0, starts + sizes, np.maximum(following, starts))))


def _walked(elf: ElfFile) -> npt.NDArray[np.int64]:
    """From the records one by one, where a section says where they are; those whose start is 32 bits, relative."""
    section = elf.section(b".eh_frame")
    if section is None or not 0 < section.address <= _MAX_ADDRESS:
        return _NO_FUNCTIONS
    body = elf.chunk(section.offset, section.size_bytes)
    found, place = [], 0
    while place + 16 <= len(body):
        length, cie, start, size = struct.unpack_from("<IIiI", body, place)
        if length in (0, 0xFFFFFFFF):
            break
        if cie:
            begin = section.address + place + 8 + start
            found.append((begin, begin + size))
        place += 4 + length
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _sizes(elf: ElfFile, starts: npt.NDArray[np.int64], records: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Bytes of the functions; 0 for a record that is not 32 bits relative to itself."""
    sizes = np.zeros(len(starts), dtype=np.int64)
    for segment in elf.loads:
        if segment.address > _MAX_ADDRESS or segment.file_bytes < 16:
            continue
        words = np.frombuffer(elf.data, dtype="<i4", count=segment.file_bytes // 4, offset=segment.offset)
        index = records - segment.address
        here = (index >= 0) & (index + 16 <= len(words) * 4) & (index % 4 == 0)
        place = index[here] // 4
        # Length, distance to the CIE, start relative to its own field, size.
        is_plain = words[place + 2].astype(np.int64) + records[here] + 8 == starts[here]
        sizes[np.flatnonzero(here)[is_plain]] = words[place + 3][is_plain].view("<u4")
    return sizes
