// memory.c: the self-test guest: accepting, sharing and L2 attributes of pages.
#include "selftest.h"

#define AREA 0x10000000ull  // private memory that nobody has touched

static int is_zero(uint64_t address, uint64_t bytes) {
  for (uint64_t offset = 0; offset < bytes; offset += 8)
    if (*(volatile uint64_t *)(address + offset)) return 0;
  return 1;
}

void test_memory(void) {
  static const struct leaf_case bad[] = {
      {"G.27 ACCEPT of level 2", 6, AREA | 2, 0, 0, 0, OPERAND(1)},
      {"G.27 ACCEPT of level 7", 6, AREA | 7, 0, 0, 0, OPERAND(1)},
      {"G.27 ACCEPT with bit 3", 6, AREA | 8, 0, 0, 0, OPERAND(1)},
      {"G.27 ACCEPT with bit 63", 6, AREA | 1ull << 63, 0, 0, 0, OPERAND(1)},
      {"G.27 ACCEPT of a shared page", 6, AREA | SHARED, 0, 0, 0, OPERAND(1)},
      {"G.27 ACCEPT of 2 MiB misaligned", 6, AREA | 0x1000 | 1, 0, 0, 0, OPERAND(1)},
      {"G.28 ACCEPT where nothing is: the host adds, the call goes on", 6, AREA, 0, 0, 0, 0},
  };
  check_leaves(bad, sizeof bad / sizeof *bad);
  check("G.23 the page reads zero", is_zero(AREA, 4096));
  *(volatile uint64_t *)AREA = 0x1234;
  check_equal("G.23 ACCEPT again", leaf(6, AREA, 0, 0, 0), 0x00000B0A00000000);
  check_equal("G.23 and it keeps its contents", *(volatile uint64_t *)AREA, 0x1234);
  check_equal("G.25 ACCEPT of 2 MiB over 4 KiB pages", leaf(6, AREA | 1, 0, 0, 0), 0xC0000B0B00000001);
  uint64_t large = AREA + 0x200000;
  check_equal("G.24 ACCEPT of 2 MiB", leaf(6, large | 1, 0, 0, 0), 0);
  check("G.24 all of it reads zero", is_zero(large, 0x200000));
  check_equal("G.26 ACCEPT of 4 KiB inside", leaf(6, large + 0x3000, 0, 0, 0), 0x00000B0A00000001);
  *(volatile uint64_t *)(large + 0x5000) = 0x5555;

  struct registers r = {0};
  check_equal("C.2 MapGPA to shared", vmcall(&r, 0x10001, (large + 0x5000) | SHARED, 0x2000, 0, 0), 0);
  volatile uint64_t *shared = (volatile uint64_t *)(SHARED_WINDOW + large + 0x5000);
  check_equal("G.75 the private contents are gone", *shared, 0);
  *shared = 0x7777;
  check_equal("C.2 a shared page keeps what is written", *shared, 0x7777);
  *(volatile uint64_t *)(large + 0x4000) = 0x4444;
  check_equal("C.2 the pages around it stay private", *(volatile uint64_t *)(large + 0x4000), 0x4444);
  check_equal("C.2 MapGPA back to private", vmcall(&r, 0x10001, large + 0x5000, 0x2000, 0, 0), 0);
  check_equal("G.75 the page has to be accepted again", leaf(6, large + 0x5000, 0, 0, 0), 0);
  check("G.75 and reads zero", is_zero(large + 0x5000, 4096));
  check_equal("G.75 so has the second one", leaf(6, large + 0x6000, 0, 0, 0), 0);
  check_equal("C.2 MapGPA far outside memory is refused", vmcall(&r, 0x10001, 1ull << 40, 0x1000, 0, 0), 1ull << 63);
}

void test_attributes(void) {
  uint64_t page = AREA;
  check_equal("A.4 ATTR.RD of an accepted page", leaf(23, page, 0, 0, 0), 0);
  check_equal("A.4 it is there, at level 0, not pending", last.rcx, page);
  check_equal("B.4 VM 1 has no alias", last.rdx >> 16 & 0x7F, 0);
  static const struct leaf_case bad[] = {
      {"G.46 ATTR.WR of lane 0 is refused in RDX", 24, AREA, 0x8001, 1, 0, OPERAND(2)},
      {"G.46 ATTR.WR of lane 0 is refused in R8", 24, AREA, 0, 1, 0, OPERAND(8)},
      {"G.46 a lane without VALID is refused", 24, AREA, 0x3ull << 16, 0xFull << 16, 0, OPERAND(2)},
      {"G.46 the lane of VM 2 is refused", 24, AREA, 0x8003ull << 32, 0xFull << 32, 0, OPERAND(2)},
      {"G.46 a misaligned page is refused", 24, AREA | 8, 0x800Full << 16, 0xFull << 16, 0, OPERAND(1)},
      {"G.47 write without read is refused", 24, AREA, 0x8002ull << 16, 0xFull << 16, 0, 0xC0000B1100000000},
      {"G.48 2 MiB over 4 KiB pages", 24, AREA | 1, 0x800Full << 16, 0xFull << 16, 0, 0xC0000B0B00000001},
  };
  check_leaves(bad, sizeof bad / sizeof *bad);
  check_equal("G.49 or G.45: an alias is made where the host has its table", leaf(24, page, 0x800Full << 16, 0xFull << 16, 0), 0);
  check_equal("G.45 ATTR.WR answers it", last.rdx >> 16 & 0xFFFF, 0x800F);
  leaf(23, page, 0, 0, 0);
  check_equal("G.45 ATTR.RD shows it", last.rdx >> 16 & 0x800F, 0x800F);
  check_equal("G.47 0x8000 takes it away", leaf(24, page, 0x8000ull << 16, 0xFull << 16, 0), 0);
  check_equal("G.47 and the lane is 0x8000", last.rdx >> 16 & 0xFFFF, 0x8000);
}
