#!/bin/sh
# The modules on a real GPU, as they ship: `make gpu-check` does both steps. They are two because the machine with the GPU
# may be another one, without network, compiler or anything of the build.
#
#   gpu_check.sh fill FOLDER  here: what `edgebuild build --target server-gpu` made, clips, models (about 45 MB). Needs PyAV,
#                             which `.ci/setup test` installs.
#   gpu_check.sh run FOLDER   there: needs x86-64, an NVIDIA GPU with its driver (in a container: capability `video`), any
#                             Python from 3.8 on and CUDA's nvJPEG (libnvjpeg.so.N, which comes with the toolkit).
#
# TENSORRT_PYTHON names a Python with TensorRT's module, for inference as well; BACKEND=tensorrt10 unless it is TensorRT 8.
set -eu
row=server-gpu
tests=$(dirname "$0")

fill() {
  folder=$1
  clips=out/demo
  test -f "$clips/bikes.mp4" || .venv/bin/python -m tests.data "$clips"
  rm -rf "$folder"
  mkdir -p "$folder/input" "$folder/clips" "$folder/stand-in"
  for archive in out/"$row"/*-"$row".tar.gz out/"$row"/*-"$row"-tests.tar.gz; do
    tar -xzf "$archive" -C "$folder" --strip-components=1
  done
  # Without TensorRT the module opens on this one, which then does nothing; drivers' stand-ins must not be found at all.
  cp "$folder/share/edgecore/stubs/tensorrt10/libnvinfer.so.10" "$folder/stand-in/"
  rm -rf "$folder/share/edgecore/stubs"
  cp "$clips"/*.mp4 "$clips/centerface.onnx" "$clips/centerface.yaml" "$folder/clips/"
  .venv/bin/python "$tests/gpu_clips.py" "$folder/input" "$clips/bikes.mp4" "$clips/bigbuckbunny.mp4"
  mv "$folder"/input/*.mp4 "$folder/clips/"
}

run() {
  folder=$1
  failed=0
  for nvjpeg in /usr/local/cuda*/lib64 /usr/local/cuda*/targets/x86_64-linux/lib; do
    LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$nvjpeg"
  done
  export LD_LIBRARY_PATH
  "$folder/bin/edgecore-gpu-check" "$folder/input" || failed=1
  EDGECORE_TENSORRT="$folder/stand-in/libnvinfer.so.10" \
    "${PYTHON:-python3}" "$tests/gpu_frames.py" "$folder" "$folder/clips" tensorrt10 || failed=1
  if test -n "${TENSORRT_PYTHON:-}"; then
    "$TENSORRT_PYTHON" "$tests/gpu_detections.py" "$folder" "$folder/clips" "${BACKEND:-tensorrt10}" "$folder" || failed=1
  fi
  return "$failed"
}

"$1" "$(mkdir -p "$2" && cd "$2" && pwd)"
