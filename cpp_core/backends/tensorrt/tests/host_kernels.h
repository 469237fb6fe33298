// The kernels compiled as C++ for the CPU, thread by thread: what a stand-in for the driver runs, and how CI compares
// them with the core without a GPU.
#pragma once

namespace edgecore::tensorrt {

struct Extent {
  unsigned x = 1, y = 1, z = 1;
};

/// parameters: as cuLaunchKernel takes them; pointers in the job are the host's. False: no kernel of that name.
bool run_on_host(const char* kernel, Extent grid, Extent block, void** parameters);

}  // namespace edgecore::tensorrt
