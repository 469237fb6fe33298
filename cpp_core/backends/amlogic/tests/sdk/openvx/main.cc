// Compares the SDK that it was compiled against with the library that it meets. Nothing of the device is touched: the
// simulator behind it takes 4 GB and half a minute to start, and has tests of its own.
#include <vsi_nn_pub.h>

#include <cstdio>

int main() {
  std::printf("compiled %d.%d.%d found %s\n", VSI_NN_VERSION_MAJOR, VSI_NN_VERSION_MINOR, VSI_NN_VERSION_PATCH,
              vsi_nn_GetVersion());
  return 0;
}
