// count: a QEMU plugin that counts each CPU's instructions exactly and reports them at markers and at idle.
//
// Arguments, as in `-plugin libcount.so,out=FILE,at=NAME:ADDRESS`:
//   out=FILE            where the JSON lines go; standard error unless told
//   at=NAME:ADDRESS     a marker: the instruction at this virtual address is about to execute
//   write=NAME:ADDRESS  a marker: a store to this virtual address
//   read=NAME:ADDRESS   a marker: a load from this virtual address
//   within=FIRST:LAST   a range of virtual addresses; marks and the end also say how many instructions lay in any of them
//   limit=N             lines for each marker and CPU, 16 unless told (0: all)
//   idle=NAME:SECONDS   SECONDS after every CPU has reached marker NAME once, what each executed meanwhile
//   settle=MS           time between that and the first sample, 500 unless told
//   quit=on             ends QEMU after the idle report
// Marks also say how many locked instructions each CPU has executed (LOCK prefix, or XCHG with memory), in the ranges if
// there are any.
// Instructions are counted as they begin; each turn of a REP instruction counts, as in QEMU's own icount.
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "QEMUPlugin.h"

#define EXPORT __attribute__((visibility("default")))
enum { MaxCPUs = 256, MaxMarkers = 64, MaxRanges = 8, NameLength = 48 };

EXPORT int qemu_plugin_version = QEMUPluginVersion;

/// One CPU's counters, written by its thread only and alone on its lines.
typedef struct {
  _Alignas(128) _Atomic uint64_t instructions;
  _Atomic uint64_t within;
  _Atomic uint64_t idles;
  _Atomic uint64_t locked;
} CPU;

typedef enum { Execution, Load, Store, KindCount } Kind;

typedef struct {
  char name[NameLength];
  uint64_t address;
  Kind kind;
  unsigned lines[MaxCPUs];
  atomic_bool reached[MaxCPUs];
} Marker;

typedef struct {
  uint64_t first;
  uint64_t last;
} Range;

static CPU cpus[MaxCPUs];
static Range ranges[MaxRanges];
static unsigned rangeCount;
static unsigned cpuCount = 1;
static Marker markers[MaxMarkers];
static unsigned markerCount;
static unsigned markersOfKind[KindCount];
static unsigned lineLimit = 16;
static FILE *output;
static pthread_mutex_t outputLock = PTHREAD_MUTEX_INITIALIZER;
static Marker *idleMarker;
static char idleName[NameLength];
static unsigned idleSeconds;
static unsigned settleMilliseconds = 500;
static bool quits;

static uint64_t instructions(unsigned cpu) {
  return atomic_load_explicit(&cpus[cpu].instructions, memory_order_relaxed);
}

/// Whether an instruction locks: a LOCK prefix, or an exchange of a register with memory.
static bool isLocked(const struct qemu_plugin_insn *instruction) {
  const uint8_t *bytes = qemu_plugin_insn_data(instruction);
  size_t count = qemu_plugin_insn_size(instruction);
  for (size_t i = 0; bytes && i < count; i++) {
    uint8_t byte = bytes[i];
    if (byte == 0xF0) return true;
    if ((byte == 0x86 || byte == 0x87) && i + 1 < count) return bytes[i + 1] < 0xC0;
    bool isPrefix = byte == 0x66 || byte == 0x67 || byte == 0x26 || byte == 0x2E || byte == 0x36 || byte == 0x3E ||
                    byte == 0x64 || byte == 0x65 || byte == 0xF2 || byte == 0xF3 || (byte & 0xF0) == 0x40;
    if (!isPrefix) return false;
  }
  return false;
}

static void printLocked(void) {
  fputs(",\"locked\":[", output);
  for (unsigned cpu = 0; cpu < cpuCount; cpu++)
    fprintf(output, "%s%" PRIu64, cpu ? "," : "", atomic_load_explicit(&cpus[cpu].locked, memory_order_relaxed));
  fputc(']', output);
}

static void printCounts(const char *key, const uint64_t *base) {
  fprintf(output, ",\"%s\":[", key);
  for (unsigned cpu = 0; cpu < cpuCount; cpu++)
    fprintf(output, "%s%" PRIu64, cpu ? "," : "", instructions(cpu) - (base ? base[cpu] : 0));
  fputc(']', output);
}

static void printWithin(void) {
  if (!rangeCount) return;
  fputs(",\"within\":[", output);
  for (unsigned cpu = 0; cpu < cpuCount; cpu++)
    fprintf(output, "%s%" PRIu64, cpu ? "," : "", atomic_load_explicit(&cpus[cpu].within, memory_order_relaxed));
  fputc(']', output);
}

static void reportMarker(unsigned cpu, Marker *marker) {
  if (cpu >= MaxCPUs) return;
  atomic_store(&marker->reached[cpu], true);
  if (lineLimit && marker->lines[cpu] >= lineLimit) return;
  marker->lines[cpu]++;
  pthread_mutex_lock(&outputLock);
  // The marked instruction itself is counted after this.
  fprintf(output, "{\"event\":\"mark\",\"name\":\"%s\",\"cpu\":%u,\"instructions\":%" PRIu64, marker->name, cpu,
          instructions(cpu));
  printCounts("all", NULL);
  printWithin();
  printLocked();
  fputs("}\n", output);
  fflush(output);
  pthread_mutex_unlock(&outputLock);
}

// One writer: a plain load and store, no lock.
static void increment(_Atomic uint64_t *own) {
  atomic_store_explicit(own, atomic_load_explicit(own, memory_order_relaxed) + 1, memory_order_relaxed);
}

static void onInstruction(unsigned cpu, void *unused) {
  (void)unused;
  if (cpu < MaxCPUs) increment(&cpus[cpu].instructions);
}

static void onInstructionWithin(unsigned cpu, void *unused) {
  (void)unused;
  if (cpu >= MaxCPUs) return;
  increment(&cpus[cpu].instructions);
  increment(&cpus[cpu].within);
}

static bool isWithin(uint64_t address) {
  for (unsigned i = 0; i < rangeCount; i++)
    if (address >= ranges[i].first && address <= ranges[i].last) return true;
  return false;
}

static void onLocked(unsigned cpu, void *unused) {
  (void)unused;
  if (cpu >= MaxCPUs) return;
  increment(&cpus[cpu].locked);
}

static void onMarkedInstruction(unsigned cpu, void *marker) { reportMarker(cpu, marker); }

static void onAccess(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *unused) {
  (void)unused;
  Kind kind = qemu_plugin_mem_is_store(info) ? Store : Load;
  for (unsigned i = 0; i < markerCount; i++)
    if (markers[i].kind == kind && markers[i].address == address) reportMarker(cpu, &markers[i]);
}

static void onTranslation(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  (void)id;
  size_t count = qemu_plugin_tb_n_insns(block);
  for (size_t i = 0; i < count; i++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
    uint64_t address = qemu_plugin_insn_vaddr(instruction);
    for (unsigned m = 0; m < markerCount; m++)
      if (markers[m].kind == Execution && markers[m].address == address)
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, onMarkedInstruction, QEMUPluginNoRegisters, &markers[m]);
    qemu_plugin_register_vcpu_insn_exec_cb(instruction, isWithin(address) ? onInstructionWithin : onInstruction,
                                           QEMUPluginNoRegisters, NULL);
    if ((!rangeCount || isWithin(address)) && isLocked(instruction))
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, onLocked, QEMUPluginNoRegisters, NULL);
    // One callback for both: with one for each, QEMU 7.2 calls both of them for either.
    if (markersOfKind[Load] || markersOfKind[Store])
      qemu_plugin_register_vcpu_mem_cb(instruction, onAccess, QEMUPluginNoRegisters,
                                       markersOfKind[Load] ? QEMUPluginAccesses : QEMUPluginStores, NULL);
  }
}

static void onIdle(qemu_plugin_id_t id, unsigned cpu) {
  (void)id;
  if (cpu < MaxCPUs) atomic_fetch_add_explicit(&cpus[cpu].idles, 1, memory_order_relaxed);
}

static void waitMilliseconds(unsigned duration) {
  struct timespec left = {.tv_sec = duration / 1000, .tv_nsec = (long)(duration % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0) {
  }
}

/// Waits for the marker on every CPU, then samples twice.
static void *watchIdle(void *unused) {
  (void)unused;
  for (unsigned cpu = 0; cpu < cpuCount; cpu++)
    while (!atomic_load(&idleMarker->reached[cpu])) waitMilliseconds(10);
  waitMilliseconds(settleMilliseconds);
  uint64_t base[MaxCPUs];
  uint64_t total = 0;
  for (unsigned cpu = 0; cpu < cpuCount; cpu++) base[cpu] = instructions(cpu);
  waitMilliseconds(idleSeconds * 1000);
  pthread_mutex_lock(&outputLock);
  for (unsigned cpu = 0; cpu < cpuCount; cpu++) total += instructions(cpu) - base[cpu];
  fprintf(output, "{\"event\":\"idle\",\"seconds\":%u,\"total\":%" PRIu64, idleSeconds, total);
  printCounts("instructions", base);
  printCounts("sinceReset", NULL);
  fputs("}\n", output);
  fflush(output);
  pthread_mutex_unlock(&outputLock);
  if (quits) kill(getpid(), SIGTERM);
  return NULL;
}

static void atEnd(qemu_plugin_id_t id, void *unused) {
  (void)id;
  (void)unused;
  pthread_mutex_lock(&outputLock);
  fprintf(output, "{\"event\":\"end\",\"cpus\":%u", cpuCount);
  printCounts("instructions", NULL);
  printWithin();
  fputs(",\"idles\":[", output);
  for (unsigned cpu = 0; cpu < cpuCount; cpu++)
    fprintf(output, "%s%" PRIu64, cpu ? "," : "", atomic_load_explicit(&cpus[cpu].idles, memory_order_relaxed));
  fputs("]}\n", output);
  fflush(output);
  pthread_mutex_unlock(&outputLock);
}

/// Splits `NAME:NUMBER`; false if it isn't one.
static bool parsePair(const char *text, char *name, uint64_t *number) {
  const char *colon = strrchr(text, ':');
  if (!colon || colon == text || (size_t)(colon - text) >= NameLength) return false;
  // Names go into JSON as they are.
  for (const char *at = text; at < colon; at++)
    if (*at == '"' || *at == '\\' || *at < ' ') return false;
  memcpy(name, text, (size_t)(colon - text));
  name[colon - text] = 0;
  char *end;
  *number = strtoull(colon + 1, &end, 0);
  return *end == 0 && end != colon + 1;
}

static bool parseArgument(char *argument) {
  char *value = strchr(argument, '=');
  if (!value) return false;
  *value++ = 0;
  Kind kind = strcmp(argument, "write") == 0 ? Store : strcmp(argument, "read") == 0 ? Load : Execution;
  if (kind != Execution || strcmp(argument, "at") == 0) {
    if (markerCount == MaxMarkers) return false;
    Marker *marker = &markers[markerCount];
    marker->kind = kind;
    if (!parsePair(value, marker->name, &marker->address)) return false;
    markerCount++;
    markersOfKind[kind]++;
    return true;
  }
  if (strcmp(argument, "idle") == 0) {
    uint64_t seconds;
    if (!parsePair(value, idleName, &seconds) || seconds == 0 || seconds > 3600) return false;
    idleSeconds = (unsigned)seconds;
    return true;
  }
  if (strcmp(argument, "within") == 0) {
    if (rangeCount == MaxRanges) return false;
    Range *range = &ranges[rangeCount++];
    char *end;
    range->first = strtoull(value, &end, 0);
    if (end == value || *end != ':') return false;
    char *last = end + 1;
    range->last = strtoull(last, &end, 0);
    return *end == 0 && end != last && range->first <= range->last;
  }
  if (strcmp(argument, "out") == 0) return (output = fopen(value, "w")) != NULL;
  if (strcmp(argument, "limit") == 0) return (lineLimit = (unsigned)strtoul(value, NULL, 0)), true;
  if (strcmp(argument, "settle") == 0) return (settleMilliseconds = (unsigned)strtoul(value, NULL, 0)), true;
  if (strcmp(argument, "quit") == 0) return (quits = strcmp(value, "on") == 0), true;
  return false;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int count, char **arguments) {
  output = stderr;
  if (!info->system_emulation || info->system.max_vcpus > MaxCPUs) return -1;
  cpuCount = (unsigned)info->system.smp_vcpus;
  for (int i = 0; i < count; i++)
    if (!parseArgument(arguments[i])) {
      fprintf(stderr, "count: bad argument '%s'\n", arguments[i]);
      return -1;
    }
  for (unsigned m = 0; m < markerCount; m++)
    if (idleSeconds && strcmp(markers[m].name, idleName) == 0) idleMarker = &markers[m];
  if (idleSeconds && !idleMarker) {
    fprintf(stderr, "count: idle= names no marker\n");
    return -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, onTranslation);
  qemu_plugin_register_vcpu_idle_cb(id, onIdle);
  qemu_plugin_register_atexit_cb(id, atEnd, NULL);
  pthread_t watcher;
  if (idleMarker && pthread_create(&watcher, NULL, watchIdle, NULL) != 0) return -1;
  return 0;
}
