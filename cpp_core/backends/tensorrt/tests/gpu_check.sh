#!/bin/sh
# make gpu-check: the modules on this machine's GPU, as they ship. Needs x86-64, an NVIDIA GPU with its driver, and CUDA's
# nvJPEG (libnvjpeg.so.N) on the loader's path; gpu_clips.py needs PyAV, which `.ci/setup test` installs. TENSORRT_PYTHON
# names a Python with TensorRT's module, for inference as well; BACKEND=tensorrt10 unless it is TensorRT 8.
set -eu
row=server-gpu
tests=cpp_core/backends/tensorrt/tests
folder=out/gpu-check
clips=out/demo

test -f "$clips/bikes.mp4" || .venv/bin/python -m tests.data "$clips"
rm -rf "$folder"
mkdir -p "$folder"
for archive in out/"$row"/*-"$row".tar.gz out/"$row"/*-"$row"-tests.tar.gz; do
  tar -xzf "$archive" -C "$folder" --strip-components=1
done
.venv/bin/python "$tests/gpu_clips.py" "$folder/input" "$clips/bikes.mp4" "$clips/bigbuckbunny.mp4"
"$folder/bin/edgecore-gpu-check" "$folder/input"
if test -n "${TENSORRT_PYTHON:-}"; then
  "$TENSORRT_PYTHON" "$tests/gpu_detections.py" "$folder" "$clips" "${BACKEND:-tensorrt10}" "$folder"
fi
