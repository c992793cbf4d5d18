// main.c: the linuxboot stub: makes memory the guest's, builds what a boot loader builds, enters Linux.
//
// What lies in the areas memoryMap and madt comes from the host and is checked; the rest is measured.
#include "linuxboot.h"

void linuxboot_jump(uint64_t entry, uint64_t zero_page);
enum { LOAD = 0x1000000, E820_MAX = 64, VERDICT = 0xF4, PANIC = 0x12, POWER = 0xF8 };

static uint8_t zero_page[4096] PAGE, tables[4096] PAGE;
static uint64_t root[512] PAGE, directory[512] PAGE, large[4][512] PAGE;
static const struct area *areas;
static uint32_t area_count;
static uint64_t range_start, range_end;

static void copy(uint8_t *to, const uint8_t *from, uint64_t count) {
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
}
void put(uint8_t *at, uint64_t value, int count) {
  for (int i = 0; i < count; i++) at[i] = (uint8_t)(value >> 8 * i);
}
uint64_t get(const uint8_t *at, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; i++) value |= (uint64_t)at[i] << 8 * i;
  return value;
}

const struct area *find(uint32_t kind) {
  for (uint32_t i = 0; i < area_count; i++) if (areas[i].kind == kind) return &areas[i];
  return 0;
}
int is_filled(uint64_t start, uint64_t end) {
  for (uint32_t i = 0; i < area_count; i++) {
    uint64_t last = (areas[i].gpa + areas[i].count + 4095) & ~4095ull;
    if (areas[i].gpa < end && start < last) return 1;
  }
  return 0;
}

/// One to one, 4 GiB, private: all that Linux asks of its loader's tables.
static void map_memory(void) {
  for (uint64_t i = 0; i < 2048; i++) large[i >> 9][i & 511] = i << 21 | private_bit | 0x83;
  for (uint64_t i = 0; i < 4; i++) directory[i] = (uint64_t)large[i] | private_bit | 3;
  root[0] = (uint64_t)directory | private_bit | 3;
  __asm__ volatile("mov %0, %%cr3" ::"r"((uint64_t)root | private_bit) : "memory");
}

static uint32_t e820_count;
static void e820(uint64_t start, uint64_t end, uint32_t type) {
  if (start >= end || e820_count >= E820_MAX) return;
  uint8_t *at = zero_page + 0x2D0 + 20 * e820_count++;
  put(at, start, 8);
  put(at + 8, end - start, 8);
  put(at + 16, type, 4);
}

/// Accepts memory and describes it; the stub's range is type 3, which Linux keeps and maps encrypted.
static uint64_t take_memory(const struct area *map, int is_shared) {
  uint64_t highest = 0, before = 0;
  for (uint64_t i = 0; i < map->count / 24; i++) {
    const uint8_t *entry = (const uint8_t *)(map->gpa + 24 * i);
    uint64_t first = get(entry, 8), count = get(entry + 8, 8), type = get(entry + 16, 2);
    if (!count) break;
    if (first < before || first >= 1ull << 20 || count > (1ull << 20) - first) terminate(3);
    before = first + count;
    uint64_t start = first << 12, end = before << 12;
    if (type != 0) {
      // Linux reads the legacy area through encrypted mappings, as firmware leaves it.
      if (start >= 0xA0000 && end <= 0x100000) platform_accept(start, end, 1);
      e820(start, end, 2);
      continue;
    }
    platform_accept(start, end, is_shared);
    if (start < range_start) e820(start, end < range_start ? end : range_start, 1);
    if (start < range_end && end > range_start) e820(start > range_start ? start : range_start, end < range_end ? end : range_end, 3);
    if (end > range_end) e820(start > range_end ? start : range_end, end, 1);
    if (end > highest) highest = end;
  }
  zero_page[0x1E8] = (uint8_t)e820_count;
  return highest;
}

/// A system description table's header (ACPI 6.5, 5.2.6).
static void header(uint8_t *at, const char *name, uint32_t count, uint8_t revision) {
  copy(at, (const uint8_t *)name, 4);
  put(at + 4, count, 4);
  at[8] = revision;
  copy(at + 10, (const uint8_t *)"APUS  LINUXBOO", 14);
  put(at + 24, 1, 4);
  copy(at + 28, (const uint8_t *)"APUS", 4);
  put(at + 32, 1, 4);
}
static void sum(uint8_t *at, uint32_t count, uint32_t place) {
  uint8_t total = 0;
  at[place] = 0;
  for (uint32_t i = 0; i < count; i++) total += at[i];
  at[place] = (uint8_t)-total;
}

/// A generic address structure: a port of one byte (ACPI 6.5, 5.2.3.2).
static void port(uint8_t *at, uint16_t number) {
  put(at, 1 | 8 << 8 | 1 << 24, 4);
  put(at + 4, number, 8);
}

/// RSDP, XSDT, hardware-reduced FADT, a DSDT with _S5 only, and a MADT with the host's processors.
///
/// What ends the machine is told to the monitor: power off, which only a program asks for, by the sleep control register at
/// POWER; a reset, which is how a panic ends, as the verdict "panic".
static uint64_t acpi(const struct area *host) {
  uint8_t *rsdp = tables, *xsdt = tables + 64, *fadt = tables + 128, *dsdt = tables + 448, *madt = tables + 512;
  const uint8_t *from = (const uint8_t *)host->gpa;
  uint32_t size = (uint32_t)get(from + 4, 4), count = 44;
  if (get(from, 4) != 0x43495041 || size < 44 || size > host->count) terminate(4);
  put(madt + 36, 0xFEE00000, 4);
  for (uint32_t place = 44; place + 2 <= size;) {
    uint8_t type = from[place], length = from[place + 1];
    if (length < 2 || place + length > size) terminate(4);
    // Processors only: there is no I/O APIC to be used under the monitor.
    if ((type == 0 || type == 9) && 512 + count + length + 16 <= sizeof tables) {
      copy(madt + count, from + place, length);
      count += length;
    }
    place += length;
  }
  count += platform_madt(madt + count);
  header(madt, "APIC", count, 5);
  sum(madt, count, 9);
  // Name (_S5, Package () { 5, 5 })
  static const uint8_t sleep[] = {0x08, '_', 'S', '5', '_', 0x12, 6, 2, 0x0A, 5, 0x0A, 5};
  copy(dsdt + 36, sleep, sizeof sleep);
  header(dsdt, "DSDT", 36 + sizeof sleep, 2);
  sum(dsdt, 36 + sizeof sleep, 9);
  // Flags: no RTC, reset register, hardware reduced; boot architecture: no VGA, no CMOS clock.
  put(fadt + 109, 1 << 2 | 1 << 5, 2);
  put(fadt + 112, 1 << 20 | 1 << 10 | 1 << 4 | 1 << 5, 4);
  port(fadt + 116, VERDICT);
  fadt[128] = PANIC;
  port(fadt + 244, POWER);
  port(fadt + 256, POWER + 1);
  fadt[131] = 4;
  put(fadt + 40, (uint64_t)dsdt, 4);
  put(fadt + 140, (uint64_t)dsdt, 8);
  header(fadt, "FACP", 276, 6);
  sum(fadt, 276, 9);
  put(xsdt + 36, (uint64_t)fadt, 8);
  put(xsdt + 44, (uint64_t)madt, 8);
  header(xsdt, "XSDT", 52, 1);
  sum(xsdt, 52, 9);
  copy(rsdp, (const uint8_t *)"RSD PTR ", 8);
  copy(rsdp + 9, (const uint8_t *)"APUS  ", 6);
  rsdp[15] = 2;
  put(rsdp + 20, 36, 4);
  put(rsdp + 24, (uint64_t)xsdt, 8);
  sum(rsdp, 20, 8);
  sum(rsdp, 36, 32);
  return (uint64_t)rsdp;
}

/// The measured command line, and the counter's rate: a hardware-reduced machine has no timer to measure it by.
static uint64_t command_line(const struct area *from) {
  static char line[4096];
  static const char word[] = " tsc_early_khz=";
  uint64_t count = 0;
  const char *text = (const char *)from->gpa;
  while (count < from->count && count < 2047 && text[count]) { line[count] = text[count]; count++; }
  uint32_t rate = platform_counter_rate();
  if (rate) {
    for (int i = 0; word[i]; i++) line[count++] = word[i];
    uint32_t unit = 1000000000;
    while (unit > rate) unit /= 10;
    for (; unit; unit /= 10) line[count++] = (char)('0' + rate / unit % 10);
  }
  line[count] = 0;
  return (uint64_t)line;
}

void linuxboot_main(const uint8_t *launch) {
  area_count = (uint32_t)get(launch + 0x36, 2);
  areas = (const struct area *)(launch + 0x40);
  range_start = get(launch + 0x18, 8);
  range_end = range_start + get(launch + 0x20, 8);
  const struct area *kernel = find(KERNEL), *initrd = find(INITRD), *line = find(COMMAND_LINE);
  const struct area *map = find(MEMORY_MAP), *madt = find(MADT), *parameters = find(PARAMETERS);
  if (!kernel || !line || !map || !madt || !parameters || !platform_is_complete()) terminate(5);
  map_memory();
  uint64_t end = take_memory(map, *(const uint8_t *)(parameters->gpa + 4) & 1);

  // The initial RAM disk goes to the top: the kernel unpacks itself over where it was.
  const uint8_t *image = (const uint8_t *)kernel->gpa;
  uint64_t setup = ((image[0x1F1] ? image[0x1F1] : 4) + 1ull) * 512;
  uint64_t size = get(image + 0x260, 4);
  if (setup >= kernel->count || LOAD + size > range_start) terminate(6);
  copy(zero_page + 0x1F1, image + 0x1F1, 0x202 + image[0x201] - 0x1F1ull);
  if (initrd) {
    uint64_t top = (end - initrd->count) & ~0x1FFFFFull;
    if (initrd->count > end / 4 || top < range_end) terminate(7);
    copy((uint8_t *)top, (const uint8_t *)initrd->gpa, initrd->count);
    put(zero_page + 0x218, top, 4);
    put(zero_page + 0x21C, initrd->count, 4);
  }
  copy((uint8_t *)LOAD, image + setup, kernel->count - setup);
  zero_page[0x210] = 0xFF;
  put(zero_page + 0x228, command_line(line), 4);
  put(zero_page + 0x70, acpi(madt), 8);

  platform_parameters(zero_page);
  platform_processors((uint64_t)root | private_bit);
  __asm__ volatile("" ::"S"(zero_page) : "memory");
  linuxboot_jump(LOAD + 0x200, (uint64_t)zero_page);
}
