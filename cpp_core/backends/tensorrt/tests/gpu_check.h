// Parts of edgecore-gpu-check. Each prints what it finds and returns the number of failures.
#pragma once

#include <vector>

#include "cuda.h"
#include "preprocess.h"
#include "tests/picture_cases.h"

namespace edgecore::tensorrt {

/// The kernels on the GPU against the core on the CPU, on pictures of every kind, from the host and in device memory.
int check_pictures(const PictureKernels& kernels, int cases);

/// nvJPEG against libjpeg-turbo on every JPEG in the folder and on generated ones.
int check_jpeg(const Driver& driver, const char* folder);

/// The video engine against what FFmpeg makes of the same clips (FOLDER/*.units and *.crc, see gpu_clips.py), each
/// picture going on into a model's input without leaving the device.
int check_video(const PictureKernels& kernels, const char* folder);

/// Kernel, CPU and memory bandwidth.
int measure(const PictureKernels& kernels);

/// A picture case whose samples are in device memory.
struct OnDevice {
  DeviceMemory memory;
  abi::Picture picture;
  abi::Code upload(const Gpu& gpu, const Stream& stream, const PictureCase& item, abi::Error* error);
};

/// Host planes without gaps, of the kind of `like`.
struct HostPicture {
  std::vector<std::uint8_t> samples;
  abi::Picture picture;
  explicit HostPicture(const abi::Picture& like);
};

double median(std::vector<double> values);

}  // namespace edgecore::tensorrt
