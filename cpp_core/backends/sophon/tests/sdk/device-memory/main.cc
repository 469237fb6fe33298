// Opens the device, sends a pattern through its memory and back, and starts the runtime on it: what a customer's
// program does before it loads a model. The wheel has no headers, so the functions are declared here as
// bmlib_runtime.h and bmruntime_interface.h of libsophon 0.5 describe them.
#include <cstdint>
#include <cstdio>
#include <vector>

extern "C" {
typedef struct bm_context* bm_handle_t;
struct bm_device_mem_t {
  std::uint64_t address;
  std::uint32_t reserved;
  std::int32_t dmabuf_fd;
  std::uint32_t flags;
  std::uint32_t size;
};
int bm_dev_request(bm_handle_t* handle, int device);
void bm_dev_free(bm_handle_t handle);
int bm_get_chipid(bm_handle_t handle, unsigned* chip);
int bm_malloc_device_byte(bm_handle_t handle, bm_device_mem_t* memory, unsigned size_bytes);
void bm_free_device(bm_handle_t handle, bm_device_mem_t memory);
int bm_memcpy_s2d(bm_handle_t handle, bm_device_mem_t to, void* from);
int bm_memcpy_d2s(bm_handle_t handle, void* to, bm_device_mem_t from);
void* bmrt_create(bm_handle_t handle);
void bmrt_destroy(void* runtime);
int bmrt_get_network_number(void* runtime);
}

int main() {
  bm_handle_t device = nullptr;
  unsigned chip = 0;
  if (bm_dev_request(&device, 0) != 0 || bm_get_chipid(device, &chip) != 0) return 1;

  std::vector<std::uint8_t> sent(4096);
  for (std::size_t index = 0; index < sent.size(); ++index) sent[index] = static_cast<std::uint8_t>(index * 7 + 3);
  std::vector<std::uint8_t> received(sent.size());
  bm_device_mem_t memory{};
  const auto size_bytes = static_cast<unsigned>(sent.size());
  if (bm_malloc_device_byte(device, &memory, size_bytes) != 0) return 2;
  if (bm_memcpy_s2d(device, memory, sent.data()) != 0 || bm_memcpy_d2s(device, received.data(), memory) != 0) return 3;
  bm_free_device(device, memory);

  void* runtime = bmrt_create(device);
  if (runtime == nullptr) return 4;
  std::printf("\nchip %x, %u bytes there and back: %s, networks %d\n", chip, size_bytes,
              sent == received ? "the same" : "changed", bmrt_get_network_number(runtime));
  bmrt_destroy(runtime);
  bm_dev_free(device);
  return 0;
}
