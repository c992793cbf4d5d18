// support.c: the monitor's heap and lock, its interrupt table, and the C functions that Embedded Swift's objects call.
#include "MonitorBoot.h"
// The kernel's: two C targets of the package can share a source by inclusion only.
#include "../../Boot/memory.c"

extern char mon_vectors[], mon_trampoline_start[], mon_trampoline_end[], mon_image_end[];
extern uint64_t mon_idt[512], mon_start_info, mon_entry_tsc;

uint64_t mon_start_info_address(void) { return mon_start_info; }
uint64_t mon_first_cycles(void) { return mon_entry_tsc; }
uint64_t mon_image_end_address(void) { return (uint64_t)mon_image_end; }

void mon_fill_idt(void) {
  for (uint64_t vector = 0; vector < 256; vector++) {
    uint64_t handler = (uint64_t)mon_vectors + 16 * vector;
    mon_idt[2 * vector] =
        (handler & 0xFFFF) | 0x08ull << 16 | 0x8Eull << 40 | (handler >> 16 & 0xFFFF) << 48;
    mon_idt[2 * vector + 1] = handler >> 32;
  }
}

void mon_copy_trampoline(void) {
  memcpy((void *)TRAMPOLINE, mon_trampoline_start, (size_t)(mon_trampoline_end - mon_trampoline_start));
}

// A ticket lock: whoever waits longest comes next, which keeps a guest CPU that exits often from starving the others.
static uint32_t next_ticket, now_serving, online;
void mon_lock(void) {
  uint32_t mine = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_ACQ_REL);
  while (__atomic_load_n(&now_serving, __ATOMIC_ACQUIRE) != mine) mon_pause();
}
void mon_unlock(void) { __atomic_fetch_add(&now_serving, 1, __ATOMIC_RELEASE); }
void mon_online_increment(void) { __atomic_fetch_add(&online, 1, __ATOMIC_ACQ_REL); }
uint32_t mon_online_count(void) { return __atomic_load_n(&online, __ATOMIC_ACQUIRE); }

// The heap: blocks with a 16-byte header grow up from its start, whole pages for guests' tables come down from its end.
// Freed blocks are kept in lists by power of two and reused; nothing is merged, because what the monitor allocates while
// guests run is a handful of small arrays of recurring sizes. Called under the monitor's lock or before other CPUs run.
struct block {
  uint64_t order;
  struct block *next;
};
static uint64_t heap_next, heap_end, heap_start, heap_first_end;
static struct block *free_blocks[40];

void mon_heap_use(uint64_t start, uint64_t end) {
  heap_start = heap_next = (start + 15) & ~15ull;
  heap_first_end = heap_end = end & ~4095ull;
}
// More memory: from now on the heap ends at `end`. No page may be in use.
void mon_heap_extend(uint64_t end) { heap_first_end = heap_end = end & ~4095ull; }
uint64_t mon_heap_used(void) { return (heap_next - heap_start) + (heap_first_end - heap_end); }

uint64_t mon_heap_page(void) {
  if (heap_end < heap_next + 4096) return 0;
  heap_end -= 4096;
  mon_zero_page(heap_end);
  return heap_end;
}

int posix_memalign(void **result, size_t alignment, size_t bytes) {
  if (alignment > 16 || bytes > 1ull << 36) return 12;
  uint64_t order = 5;
  while (order < 12 && (1ull << order) < bytes + 16) order++;
  // Large arrays live for ever: they are not rounded up to a power of two.
  uint64_t size = 1ull << order;
  if (size < bytes + 16) {
    size = (bytes + 16 + 15) & ~15ull;
    order = 39;
  }
  struct block *block = free_blocks[order];
  if (order != 39 && block) {
    free_blocks[order] = block->next;
  } else {
    if (heap_end - heap_next < size || heap_end < heap_next) return 12;
    block = (struct block *)heap_next;
    heap_next += size;
  }
  block->order = order;
  *result = (char *)block + 16;
  return 0;
}

void free(void *address) {
  if (!address) return;
  struct block *block = (struct block *)((char *)address - 16);
  if (block->order >= 39) return;
  block->next = free_blocks[block->order];
  free_blocks[block->order] = block;
}

// Reads a fw_cfg item by its DMA interface (QEMU docs/specs/fw_cfg): all big-endian, started by the address's low half.
void mon_read_configured(uint16_t selector, uint64_t to, uint32_t count) {
  static volatile struct { uint32_t control, count; uint64_t address; } request;
  uint64_t place = (uint64_t)&request;
  request.count = __builtin_bswap32(count);
  request.address = __builtin_bswap64(to);
  // Select and read; the device clears the word, or leaves the error bit.
  request.control = __builtin_bswap32((uint32_t)selector << 16 | 8 | 2);
  mon_out32(0x514, __builtin_bswap32((uint32_t)(place >> 32)));
  mon_out32(0x518, __builtin_bswap32((uint32_t)place));
  while (__builtin_bswap32(request.control) & ~1u) mon_pause();
}

int putchar(int character) {
  mon_out8(0x3F8, (uint8_t)character);
  return character;
}

// Nothing of the monitor's hashes or draws lots; the language's library wants the name.
void arc4random_buf(void *buffer, size_t bytes) { memset(buffer, 0x5A, bytes); }
