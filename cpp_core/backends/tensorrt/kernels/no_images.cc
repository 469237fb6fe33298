// A build without a device compiler: pictures are prepared on the CPU.
#include "kernels/images.h"

namespace edgecore::tensorrt {

const DeviceImages kDeviceImages{nullptr, 0};

}  // namespace edgecore::tensorrt
