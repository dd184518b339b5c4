/* The calls of libcuda and libcudart that the core makes, on the memory of the CPU. */
#include <stdlib.h>
#include <string.h>

typedef void *handle;

int cuInit(unsigned flags) { return flags; }

int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return 0;
}

int cuDeviceGetName(char *name, int length, int device) {
  const char *wanted = getenv("STAND_IN_GPU");
  strncpy(name, wanted ? wanted : "Stand-in", length);
  return device;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? 8 : 7;
  return device;
}

int cudaMallocHost(handle *memory, size_t size) { return !(*memory = malloc(size)); }
int cudaMalloc(handle *memory, size_t size) { return !(*memory = malloc(size)); }

int cudaFree(handle memory) {
  free(memory);
  return 0;
}

int cudaFreeHost(handle memory) { return cudaFree(memory); }

int cudaMemcpyAsync(handle target, const void *source, size_t size, int kind, handle stream) {
  if (kind != 1 && kind != 2) return 1;
  if (!stream) return 400;
  memcpy(target, source, size);
  return 0;
}

int cudaStreamCreate(handle *stream) { return cudaMalloc(stream, 1); }
int cudaStreamSynchronize(handle stream) { return stream ? 0 : 400; }
int cudaStreamDestroy(handle stream) { return cudaFree(stream); }

const char *cudaGetErrorString(int code) {
  return code == 400 ? "invalid resource handle" : "invalid value";
}
