/* A driver's library for machines without a driver: the real pynvml on top of it reads made-up cards.
 *
 *   gcc -shared -fPIC -Wl,-soname,libnvidia-ml.so.1 -o libnvidia-ml.so.1 nvml_stub.c
 *   LD_LIBRARY_PATH=its-folder STUB_CARDS=cards.txt …
 *
 * The file is read anew at each call. A line holds one card's "key=value" pairs, all of them optional:
 *
 *   util=92 mem=40        percent             used=61 total=80      GiB
 *   power=655 limit=700   watts               temp=71 sm=1755       degrees, MHz
 *   why=4                 clocks event reasons, hexadecimal
 *   pids=1234:59,99:1     processes and GiB   draws=77:1            the same for graphics
 *   ecc=3                 uncorrected errors  nvlink=1000           MiB a second since the library was loaded
 *   mig=2                 slices; the card's processes are on the first one
 *   lacks=temp,power,…    calls that answer "not supported"; lacks=all: every one but name and UUID
 *   old=1                 the newer names (memory v2, temperature V, event reasons) are not supported
 *   sm_active=87 tensor=43  percent by GPM; without them the card has none
 *   lost=15               every call about the card fails with this code
 *   xid=79                an event of this code, once for each value; deaf=1: the card tells of no events
 *
 * A line "driver=9" makes every call fail with that code.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUCCESS = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, CARDS = 16 };
typedef unsigned int uint;
typedef unsigned long long ulong64;
typedef struct { int card, slice; } Handle; /* slice 0: the whole card */

static Handle handles[CARDS][9];
static char lines[CARDS][512];
static int driver_error;

static int load(void) {
  const char *path = getenv("STUB_CARDS");
  FILE *file = path ? fopen(path, "r") : NULL;
  int count = 0;
  driver_error = SUCCESS;
  if (!file) return 0;
  while (count < CARDS && fgets(lines[count], sizeof lines[count], file)) {
    if (sscanf(lines[count], "driver=%d", &driver_error) == 1) break;
    if (strchr(lines[count], '=')) count++;
  }
  fclose(file);
  return count;
}

static const char *find(int card, const char *key) {
  char wanted[32];
  snprintf(wanted, sizeof wanted, "%s=", key);
  for (char *at = lines[card]; (at = strstr(at, wanted)); at++)
    if (at == lines[card] || at[-1] == ' ') return at + strlen(wanted);
  return NULL;
}

static double value(int card, const char *key, double otherwise) {
  const char *text = find(card, key);
  return text ? atof(text) : otherwise;
}

/* What a call named NAME about HANDLE answers before it answers anything. */
static int state(Handle *handle, const char *name) {
  int count = load(), lost;
  const char *lacks;
  if (driver_error) return driver_error;
  if (!handle || handle->card >= count) return INVALID;
  if ((lost = (int)value(handle->card, "lost", 0))) return lost;
  if (!name || !(lacks = find(handle->card, "lacks"))) return SUCCESS;
  size_t length = strcspn(lacks, " \n"), size = strlen(name);
  if (!strncmp(lacks, "all", 3)) return NOT_SUPPORTED;
  for (const char *at = lacks; at < lacks + length; at += strcspn(at, ", \n") + 1)
    if (!strncmp(at, name, size) && strchr(", \n", at[size])) return NOT_SUPPORTED;
  return SUCCESS;
}

#define ASK(name) int answer = state(h, name); if (answer) return answer; int card = h->card; (void)card
#define NEWER if (value(card, "old", 0)) return NOT_SUPPORTED
#define GIB(x) ((ulong64)((x) * 1024.0) << 20)
#define NUMBER(function, name, type, expression) \
  int function(Handle *h, type *out) { ASK(name); *out = (type)(expression); return SUCCESS; }

int nvmlInitWithFlags(uint flags) { (void)flags; load(); return driver_error; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { (void)code; return "an error of the stub"; }
int nvmlSystemGetDriverVersion(char *out, uint size) { snprintf(out, size, "580.99"); return SUCCESS; }
int nvmlSystemGetCudaDriverVersion_v2(int *out) { *out = 13010; return SUCCESS; }
int nvmlDeviceGetCount_v2(uint *out) { *out = load(); return driver_error; }

int nvmlDeviceGetHandleByIndex_v2(uint index, Handle **out) {
  if (index >= CARDS) return INVALID;
  Handle *handle = &handles[index][0];
  handle->card = index, handle->slice = 0;
  *out = handle;
  return state(handle, NULL);
}

int nvmlDeviceGetName(Handle *h, char *out, uint size) {
  ASK(NULL);
  snprintf(out, size, h->slice ? "NVIDIA H100 80GB HBM3 MIG 3g.40gb" : "NVIDIA H100 80GB HBM3");
  return SUCCESS;
}

int nvmlDeviceGetUUID(Handle *h, char *out, uint size) {
  ASK(NULL);
  if (h->slice) snprintf(out, size, "MIG-%08d-0000-0000-0000-%012d", card, h->slice - 1);
  else snprintf(out, size, "GPU-%08d-0000-0000-0000-000000000000", card);
  return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(Handle *h, uint *out) {
  ASK("util");
  out[0] = (uint)value(card, "util", 0), out[1] = (uint)value(card, "mem", 0);
  return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(Handle *h, ulong64 *out) {
  ASK("memory");
  double parts = h->slice ? value(card, "mig", 1) : 1;
  out[0] = GIB(value(card, "total", 80) / parts), out[2] = GIB(value(card, "used", 0) / parts);
  out[1] = out[0] - out[2];
  return SUCCESS;
}

typedef struct { uint version; ulong64 total, reserved, free, used; } MemoryV2;
int nvmlDeviceGetMemoryInfo_v2(Handle *h, MemoryV2 *out) {
  ASK("memory");
  NEWER;
  if (out->version != (sizeof *out | 2u << 24)) return 25;
  out->total = GIB(value(card, "total", 80)), out->used = GIB(value(card, "used", 0)), out->reserved = GIB(1);
  out->free = out->total - out->used - out->reserved;
  return SUCCESS;
}

typedef struct { uint version; int sensor, temperature; } TemperatureV;
int nvmlDeviceGetTemperatureV(Handle *h, TemperatureV *out) {
  ASK("temp");
  NEWER;
  out->temperature = (int)value(card, "temp", 30);
  return SUCCESS;
}

int nvmlDeviceGetTemperature(Handle *h, int sensor, uint *out) {
  ASK("temp");
  (void)sensor;
  *out = (uint)value(card, "temp", 30);
  return SUCCESS;
}

NUMBER(nvmlDeviceGetPowerUsage, "power", uint, value(card, "power", 70) * 1000)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, "limit", uint, value(card, "limit", 700) * 1000)
NUMBER(nvmlDeviceGetTotalEnergyConsumption, "energy", ulong64, 5000)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, "pcie", uint, 4)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, "pcie", uint, 5)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, "pcie", uint, 8)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, "pcie", uint, 16)
NUMBER(nvmlDeviceGetCurrentClocksThrottleReasons, "why", ulong64, find(card, "why") ? strtoull(find(card, "why"), 0, 16) : 1)
typedef struct { char legacy[16]; uint domain, bus, device, id, subsystem; char address[32]; } Pci;
int nvmlDeviceGetPciInfo_v3(Handle *h, Pci *out) {
  ASK("pcie");
  memset(out, 0, sizeof *out);
  out->bus = (uint)card + 0x41;
  snprintf(out->address, sizeof out->address, "00000000:%02X:00.0", out->bus);
  return SUCCESS;
}

static int events, watched[CARDS], told[CARDS];
int nvmlEventSetCreate(int **out) { *out = &events; return SUCCESS; }
int nvmlEventSetFree(int *set) { (void)set; return SUCCESS; }

int nvmlDeviceGetSupportedEventTypes(Handle *h, ulong64 *out) {
  ASK("events");
  *out = value(card, "deaf", 0) ? 0 : 8;
  return SUCCESS;
}

int nvmlDeviceRegisterEvents(Handle *h, ulong64 kinds, int *set) {
  ASK("events");
  (void)kinds, (void)set;
  watched[card] = 1;
  return SUCCESS;
}

typedef struct { Handle *device; ulong64 kind, data; uint gpu_instance, compute_instance; } Event;
int nvmlEventSetWait_v2(int *set, Event *out, uint timeout_ms) {
  (void)set;
  for (uint waited = 0;; waited += 50) {
    int count = load();
    if (driver_error) return driver_error;
    for (int card = 0; card < count; card++) {
      int code = (int)value(card, "xid", 0);
      if (!watched[card] || code == told[card]) continue;
      told[card] = code;
      if (!code) continue;
      out->device = &handles[card][0], out->kind = 8, out->data = (ulong64)code;
      return SUCCESS;
    }
    if (waited >= timeout_ms) return 10; /* timeout */
    nanosleep(&(struct timespec){0, 50000000}, NULL);
  }
}

typedef struct { uint version, supported; } Support;
int nvmlGpmQueryDeviceSupport(Handle *h, Support *out) {
  ASK("gpm");
  if (out->version != 1) return 25;
  out->supported = find(card, "sm_active") != NULL;
  return SUCCESS;
}

typedef struct { int card, taken; } GpmSample;
int nvmlGpmSampleAlloc(GpmSample **out) { return (*out = calloc(1, sizeof **out)) ? SUCCESS : 999; }
int nvmlGpmSampleFree(GpmSample *sample) { free(sample); return SUCCESS; }
int nvmlGpmSampleGet(Handle *h, GpmSample *sample) {
  ASK("gpm");
  sample->card = card, sample->taken = 1;
  return SUCCESS;
}

typedef struct { uint metric; int code; double value; const char *names[3]; } GpmMetric;
typedef struct { uint version, count; GpmSample *before, *now; GpmMetric metrics[2]; } GpmMetrics;
int nvmlGpmMetricsGet(GpmMetrics *asked) {
  load();
  if (asked->version != 1 || !asked->before->taken || !asked->now->taken || asked->before == asked->now) return INVALID;
  for (uint i = 0; i < asked->count; i++) {
    GpmMetric *one = &asked->metrics[i];
    const char *key = one->metric == 2 ? "sm_active" : one->metric == 5 ? "tensor" : "";
    one->code = *key && find(asked->now->card, key) ? SUCCESS : NOT_SUPPORTED;
    one->value = value(asked->now->card, key, 0);
  }
  return SUCCESS;
}

NUMBER(nvmlDeviceGetMaxMigDeviceCount, "mig", uint, 7)
NUMBER(nvmlDeviceGetGpuInstanceId, "mig", uint, h->slice)
NUMBER(nvmlDeviceGetComputeInstanceId, "mig", uint, 0)

int nvmlDeviceGetCurrentClocksEventReasons(Handle *h, ulong64 *out) {
  ASK("why");
  NEWER;
  return nvmlDeviceGetCurrentClocksThrottleReasons(h, out);
}

int nvmlDeviceGetClockInfo(Handle *h, int kind, uint *out) {
  ASK("clock");
  *out = kind == 2 ? 2619 : (uint)value(card, "sm", 345);
  return SUCCESS;
}

int nvmlDeviceGetMaxClockInfo(Handle *h, int kind, uint *out) {
  ASK("clock");
  *out = kind == 2 ? 2619 : 1980;
  return SUCCESS;
}

int nvmlDeviceGetPcieThroughput(Handle *h, int kind, uint *out) {
  ASK("pcie");
  *out = kind ? 2048 : 1024; /* 1: into the card; KiB a second */
  return SUCCESS;
}

int nvmlDeviceGetTotalEccErrors(Handle *h, int kind, int counter, ulong64 *out) {
  ASK("ecc");
  (void)counter;
  *out = kind ? (ulong64)value(card, "ecc", 0) : 0;
  return SUCCESS;
}

int nvmlDeviceGetNvLinkState(Handle *h, uint link, uint *out) {
  ASK("nvlink");
  if (!find(card, "nvlink")) return NOT_SUPPORTED;
  *out = link != 3;
  return SUCCESS;
}

typedef struct { uint field, scope; long long at, took; int kind, code; union { double d; ulong64 whole; } value; } Field;
int nvmlDeviceGetFieldValues(Handle *h, int count, Field *fields) {
  ASK("nvlink");
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  double seconds = now.tv_sec + now.tv_nsec / 1e9;
  for (int i = 0; i < count; i++) {
    fields[i].code = find(card, "nvlink") ? SUCCESS : NOT_SUPPORTED;
    fields[i].value.whole = (ulong64)(value(card, "nvlink", 0) * 1024 * seconds);
  }
  return SUCCESS;
}

int nvmlDeviceGetMigMode(Handle *h, uint *now, uint *pending) {
  ASK("migmode");
  *now = *pending = value(card, "mig", 0) > 0;
  return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Handle *h, uint index, Handle **out) {
  ASK("mig");
  if (index % 2 || index / 2 >= (uint)value(card, "mig", 0)) return NOT_FOUND; /* a gap behind each slice */
  Handle *slice = &handles[card][index / 2 + 1];
  slice->card = card, slice->slice = index / 2 + 1;
  *out = slice;
  return SUCCESS;
}

typedef struct { uint pid; ulong64 memory; uint gpu_instance, compute_instance; } Process;
static int processes(Handle *h, const char *key, uint *count, Process *out) {
  ASK("processes");
  uint found = 0, room = out ? *count : 0;
  const char *at = h->slice > 1 ? NULL : find(card, key);
  for (; at && *at > ' '; at += strcspn(at, ", \n"), at += *at == ',') {
    if (found < room) {
      const char *size = strpbrk(at, ":, \n");
      out[found].pid = (uint)atoi(at);
      out[found].memory = size && *size == ':' ? GIB(atof(size + 1)) : ~0ull; /* all ones: not known */
      out[found].gpu_instance = out[found].compute_instance = ~0u;
    }
    found++;
  }
  *count = found;
  return found > room ? TOO_SMALL : SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(Handle *h, uint *count, Process *out) {
  return processes(h, "pids", count, out);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(Handle *h, uint *count, Process *out) {
  return processes(h, "draws", count, out);
}

typedef struct { uint pid; ulong64 at; uint sm, memory, encoder, decoder; } Busy;
int nvmlDeviceGetProcessUtilization(Handle *h, Busy *out, uint *count, ulong64 after) {
  ASK("busy");
  (void)after;
  if (!find(card, "pids")) return NOT_FOUND;
  if (!out || *count < 1) { *count = 1; return TOO_SMALL; }
  *count = 1;
  memset(out, 0, sizeof *out);
  out->pid = (uint)atoi(find(card, "pids")), out->at = (ulong64)time(NULL) * 1000000, out->sm = (uint)value(card, "util", 0);
  return SUCCESS;
}
