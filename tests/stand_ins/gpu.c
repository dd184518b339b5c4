/* The calls of libcuda and libcudart that the core makes, on the memory of the CPU. */
#include <stdlib.h>
#include <string.h>

#define MOST_STEPS 16

typedef void *handle;
typedef void (*work)(void);

/* A copy, or work when there is some. */
typedef struct {
  work run;
  handle target;
  const void *source;
  size_t size;
} step;

typedef struct {
  int length;
  step steps[MOST_STEPS];
} graph;

/* What a stream is recorded to; one at a time. */
static graph *recorded = NULL;
/* What was made and not given back: memory, streams, graphs. */
static int num_live = 0;

int standInNumLive(void) { return num_live; }

static int make(handle *made, size_t size) {
  /* While a stream is recorded nothing may be made. */
  if (recorded) return 900;
  num_live += 1;
  return !(*made = calloc(1, size));
}

static int give_back(handle made) {
  num_live -= made != NULL;
  free(made);
  return 0;
}

static void run_step(const step *one) {
  if (one->run)
    one->run();
  else
    memcpy(one->target, one->source, one->size);
}

static int take(step one) {
  if (!recorded)
    run_step(&one);
  else if (recorded->length == MOST_STEPS)
    return 1;
  else
    recorded->steps[recorded->length++] = one;
  return 0;
}

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

int cudaMallocHost(handle *memory, size_t size) { return make(memory, size); }
int cudaMalloc(handle *memory, size_t size) { return make(memory, size); }
int cudaFree(handle memory) { return give_back(memory); }
int cudaFreeHost(handle memory) { return give_back(memory); }

int cudaMemcpyAsync(handle target, const void *source, size_t size, int kind, handle stream) {
  if (kind != 1 && kind != 2) return 1;
  if (!stream) return 400;
  return take((step){NULL, target, source, size});
}

/* What an engine puts into a stream. */
int standInLaunch(handle stream, work run) {
  return stream ? take((step){run, NULL, NULL, 0}) : 400;
}

int cudaStreamCreate(handle *stream) { return make(stream, 1); }
int cudaStreamDestroy(handle stream) { return give_back(stream); }

int cudaStreamSynchronize(handle stream) {
  if (recorded) return 900;
  return stream ? 0 : 400;
}

int cudaStreamBeginCapture(handle stream, int mode) {
  if (!stream || recorded || mode != 1) return 400;
  handle made;
  int code = make(&made, sizeof(graph));
  recorded = made;
  return code;
}

int cudaStreamEndCapture(handle stream, handle *made) {
  if (!stream || !recorded) return 400;
  *made = recorded;
  recorded = NULL;
  return 0;
}

int cudaGraphInstantiateWithFlags(handle *made, handle from, unsigned long long flags) {
  if (!from || flags) return 1;
  int code = make(made, sizeof(graph));
  if (!code) memcpy(*made, from, sizeof(graph));
  return code;
}

int cudaGraphDestroy(handle made) { return give_back(made); }
int cudaGraphExecDestroy(handle made) { return give_back(made); }

int cudaGraphLaunch(handle made, handle stream) {
  if (!made || !stream) return 400;
  const graph *known = made;
  for (int index = 0; index < known->length; index++) run_step(&known->steps[index]);
  return 0;
}

const char *cudaGetErrorString(int code) {
  if (code == 900) return "operation not permitted when stream is capturing";
  return code == 400 ? "invalid resource handle" : "invalid value";
}
