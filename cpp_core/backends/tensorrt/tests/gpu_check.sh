#!/bin/sh
# make gpu-check: the device code on this machine's GPU, as it ships. Needs x86-64, an NVIDIA GPU with its driver, and
# CUDA's nvJPEG (libnvjpeg.so.N) on the loader's path; `tests/gpu_clips.py` needs PyAV, which .ci/setup test installs.
set -eu
row=server-gpu
folder=out/gpu-check
videos=out/demo

test -f "$videos/bikes.mp4" || .venv/bin/python -m tests.data "$videos"
rm -rf "$folder"
mkdir -p "$folder"
for archive in out/"$row"/*-"$row".tar.gz out/"$row"/*-"$row"-tests.tar.gz; do
  tar -xzf "$archive" -C "$folder" --strip-components=1
done
.venv/bin/python cpp_core/backends/tensorrt/tests/gpu_clips.py "$folder/input" "$videos"/bikes.mp4 "$videos"/bigbuckbunny.mp4
exec "$folder"/bin/edgecore-gpu-check "$folder/input"
