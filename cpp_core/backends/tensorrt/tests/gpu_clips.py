"""Input for edgecore-gpu-check: access units of real video with what FFmpeg decodes, and JPEG files.

    python gpu_clips.py OUTDIR VIDEO...

NAME.h264.units, NAME.h265.units: per access unit its size (u32), time in microseconds (i64) and bytes, Annex B.
NAME.*.crc: per picture in display order its time and the CRC-32 of its planes. NAME-N-FORMAT.jpg: single pictures.
NAME.h265.mp4: the H.265 in a container.
"""

from __future__ import annotations

import fractions
import struct
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

import av
import av.bitstream

CLOCK = fractions.Fraction(1, 1_000_000)
PICTURES = 120
JPEGS = (5, 60, 118)
JPEG_FORMATS = ("yuvj420p", "yuvj422p", "yuvj444p")


def microseconds(time: int | None, base: fractions.Fraction) -> int:
    return round((time or 0) * base / CLOCK)


def planes_crc(frame: av.VideoFrame) -> int:
    return zlib.crc32(frame.to_ndarray(format="yuv420p").tobytes())  # planes one after the other, without gaps


def save_clip(stem: Path, packets: Iterable[av.Packet], expected: list[tuple[int, int]]) -> None:
    units = bytearray()
    for packet in packets:
        content = bytes(packet)
        units += struct.pack("<Iq", len(content), microseconds(packet.pts, packet.time_base)) + content
    stem.with_name(stem.name + ".units").write_bytes(units)
    lines = (f"{pts_us} {crc}\n" for pts_us, crc in expected)
    stem.with_name(stem.name + ".crc").write_text("".join(lines))


def expect(frames: Iterable[av.VideoFrame]) -> list[tuple[int, int]]:
    return [(microseconds(frame.pts, frame.time_base), planes_crc(frame)) for frame in frames]


def save_stored(video: Path, stem: Path, to_byte_stream: str) -> list[av.VideoFrame]:
    """What the file holds, and its pictures."""
    with av.open(str(video)) as container:
        frames = list(container.decode(video=0))
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        annex_b = av.bitstream.BitStreamFilterContext(to_byte_stream, stream)
        packets = [out for packet in container.demux(stream) for out in annex_b.filter(packet) if out.size]
    save_clip(stem, packets, expect(frames))
    return frames


def as_h265(frames: list[av.VideoFrame], stem: Path) -> None:
    """Encoded anew, with pictures that refer to later ones; what is expected is FFmpeg's reading of that."""
    video = stem.with_name(stem.name + ".h265.mp4")
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx265", rate=25)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        stream.options = {"x265-params": "log-level=none:bframes=3", "preset": "fast"}
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, fractions.Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    save_stored(video, stem.with_name(stem.name + ".h265"), "hevc_mp4toannexb")


def as_jpegs(frames: list[av.VideoFrame], stem: Path) -> None:
    for number in JPEGS:
        for layout in JPEG_FORMATS:
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = frames[number].width, frames[number].height, layout
            encoder.time_base = fractions.Fraction(1, 25)
            encoder.qmin, encoder.qmax = 2, 3
            picture = frames[number].reformat(format=layout)
            content = b"".join(bytes(packet) for each in (picture, None) for packet in encoder.encode(each))
            stem.with_name(f"{stem.name}-{number}-{layout}.jpg").write_bytes(content)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for video in map(Path, sys.argv[2:]):
        stem = folder / video.stem
        frames = save_stored(video, stem.with_name(stem.name + ".h264"), "h264_mp4toannexb")[:PICTURES]
        as_h265(frames, stem)
        as_jpegs(frames, stem)


if __name__ == "__main__":
    main()
