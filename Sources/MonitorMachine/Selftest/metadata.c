// metadata.c: the self-test guest: fields of the TD and of a vCPU, measurements, flushes, refusals of VP.ENTER.
#include "selftest.h"

void test_metadata(void) {
  static const struct leaf_case cases[] = {
      {"G.34 VM.RD of NUM_L2_VMS", 7, 0, 0x9010000100000005, 0, 0, 0},
      {"G.3 VM.RD has version 1", 0x10007, 0, 0x9010000100000005, 0, 0, 0},
      {"G.34 VM.RD with RCX", 7, 1, 0x9010000100000005, 0, 0, OPERAND(1)},
      {"G.35 VM.RD of an unknown field", 7, 0, 0x9010000100000FFF, 0, 0, 0xC0000C0000000000},
      {"G.35 VM.WR of NOTIFY_ENABLES", 8, 0, 0x9110000300000010, 0, ~0ull, 0},
      {"G.35 VM.WR of a reserved bit of it", 8, 0, 0x9110000300000010, 2, ~0ull, 0xC0000C0300000000},
      {"G.35 VM.WR of ATTRIBUTES", 8, 0, 0x1110000300000000, 0, ~0ull, 0xC0000C0100000000},
      {"G.37 VP.RD of VM 1's primary controls", 9, 0, 0x2420000200004002, 0, 0, 0},
      {"G.37 VP.RD of VM 2, which is not there", 9, 0, 0x2C20000200004002, 0, 0, 0xC0000C0000000000},
      {"G.38 VP.WR of L2_CTLS", 10, 0, 0xA020000300000051, 7, 7, 0},
      {"G.38 VP.WR of bit 3 of it", 10, 0, 0xA020000300000051, 8, 8, 0xC0000C0100000000},
      {"G.38 L2_CTLS back to 0", 10, 0, 0xA020000300000051, 0, 7, 0},
      {"G.39 VP.WR of a shared virtual-APIC address", 10, 0, 0x2420000300002012, SHARED | 0x9000000, ~0ull,
       0xC0000C0300000000},
      {"G.39 VP.WR of an unaligned one", 10, 0, 0x2420000300002012, 0x9000008, ~0ull, 0xC0000C0300000000},
      {"B.3 high halves of fields are no fields", 9, 0, 0x2420000300002013, 0, 0, 0xC0000C0000000000},
      {"A.6 SYS.RD of TDX_FEATURES0", 11, 0, 0x0A00000300000008, 0, 0, 0},
      {"A.6 SYS.RD of an unknown field", 11, 0, 0x0A00000300000FFF, 0, 0, 0xC0000C0000000000},
      {"G.51 VP.ENTER with a misaligned state", 25, 1ull << 52, 0x9000080, 0, 0, OPERAND(2)},
      {"G.51 VP.ENTER with a shared state", 25, 1ull << 52, SHARED | 0x9000000, 0, 0, OPERAND(2)},
      {"G.51 VP.ENTER of VM 0", 25, 0, 0x9000000, 0, 0, OPERAND(1)},
      {"G.51 VP.ENTER of VM 2", 25, 2ull << 52, 0x9000000, 0, 0, OPERAND(1)},
      {"G.51 VP.ENTER with a reserved bit", 25, 1ull << 52 | 4, 0x9000000, 0, 0, OPERAND(1)},
      {"G.51 VP.ENTER before the virtual-APIC page is set", 25, 1ull << 52, 0x9000000, 0, 0, OPERAND(170)},
      {"A.4 INVEPT of VM 0", 26, 1, 0, 0, 0, OPERAND(1)},
      {"A.4 INVEPT of VM 2", 26, 4, 0, 0, 0, OPERAND(1)},
      {"A.4 INVEPT of nothing", 26, 0, 0, 0, 0, 0},
      {"A.4 INVEPT of VM 1", 26, 2, 0, 0, 0, 0},
      {"G.62 INVVPID of an address that is not canonical", 27, 1ull << 52, 1ull << 62, 0, 0, 0xC000116000000000},
      {"G.62 INVVPID with too long a list", 27, 1ull << 52 | 1, 0x8020000 | 1 | 512ull << 52, 0, 0, OPERAND(2)},
      {"A.4 INVVPID of one page", 27, 1ull << 52, 0x1000, 0, 0, 0},
      {"G.41 RTMR.EXTEND of misaligned data", 2, 0x8020008, 0, 0, 0, OPERAND(1)},
      {"G.41 RTMR.EXTEND of register 4", 2, 0x8020000, 4, 0, 0, OPERAND(2)},
      {"G.41 RTMR.EXTEND", 2, 0x8020000, 3, 0, 0, 0},
      {"G.42 REPORT with a misaligned output", 4, 0x8020200, 0x8020000, 0, 0, OPERAND(1)},
      {"G.42 REPORT with misaligned data", 4, 0x8020000, 0x8020020, 0, 0, OPERAND(2)},
      {"G.42 REPORT of subtype 1", 4, 0x8020000, 0x8020000, 1, 0, OPERAND(8)},
      {"A.4 VERIFYREPORT of a misaligned structure", 22, 0x8020020, 0, 0, 0, OPERAND(1)},
      {"A.4 SYS.RDALL of a misaligned list", 12, 0, 0x8020008, 0, 0, OPERAND(2)},
  };
  check_leaves(cases, sizeof cases / sizeof *cases);
  leaf(7, 0, 0x9010000100000005, 0, 0);
  check_equal("G.34 NUM_L2_VMS is 1", last.r8, 1);
  leaf(9, 0, 0x2420000200004002, 0, 0);
  check_equal("G.37 the primary controls' initial value", last.r8, 0x91220088);
  leaf(7, 0, 0x1310000300000052, 0, 0);
  check("G.41 RTMR 3 has changed", last.r8 != 0);
  leaf(7, 0, 0x1310000300000046, 0, 0);
  check_equal("G.41 RTMR 1 has not", last.r8, 0);

  static uint8_t report[1024] __attribute__((aligned(1024)));
  static uint8_t data[64] __attribute__((aligned(64)));
  for (int index = 0; index < 64; index++) data[index] = (uint8_t)(index + 1);
  check_equal("G.42 REPORT succeeds", leaf(4, (uint64_t)report, (uint64_t)data, 0, 0), 0);
  int echoed = 1;
  for (int index = 0; index < 64; index++) echoed &= report[128 + index] == data[index];
  check("G.42 its type is 0x81 and it echoes the data", report[0] == 0x81 && echoed);
  int measured = 1;
  for (unsigned word = 0; word < 6; word++) {
    leaf(7, 0, 0x1310000300000000 + word, 0, 0);
    measured &= last.r8 != 0 && last.r8 == *(uint64_t *)(report + 528 + 8 * word);
  }
  check("G.77 its MRTD is what VM.RD says", measured);
  check_equal("A.4 VERIFYREPORT accepts it", leaf(22, (uint64_t)report, 0, 0, 0), 0);
  report[128] ^= 1;
  check_equal("A.4 and refuses it changed", leaf(22, (uint64_t)report, 0, 0, 0), 0xC000100100000000);

  check_equal("A.4 VM.RD of the null field has no version 0", leaf(7, 0, ~0ull, 0, 0) >> 63, 1);
  check_equal("A.4 VM.RD version 1 answers the first field", leaf(0x10007, 0, ~0ull, 0, 0), 0x00000C0B00000000);
  unsigned count = 0;
  for (uint64_t next = last.rdx; next != ~0ull && count < 1000; next = last.rdx, count++)
    if (leaf(0x10007, 0, next, 0, 0)) break;
  check("A.4 and the next ones, to the last", last.rdx == ~0ull && count > 30);
  check_equal("A.4 VP.RD of the null field answers the first", leaf(9, 0, ~0ull, 0, 0), 0x00000C0B00000000);
  for (count = 0; last.rdx != ~0ull && count < 5000; count++)
    if (leaf(9, 0, last.rdx, 0, 0)) break;
  check("A.4 and the next ones, VMCS and MSR bitmap, to the last", last.rdx == ~0ull && count > 700);
  check_equal("A.4 SYS.RD of the null field answers the first", leaf(11, 0, ~0ull, 0, 0), 0x00000C0B00000000);
  for (count = 0; last.rdx != ~0ull && count < 1000; count++)
    if (leaf(11, 0, last.rdx, 0, 0)) break;
  check("A.4 and the next ones, to the last", last.rdx == ~0ull && count > 5);
  static const struct leaf_case more[] = {
      {"A.6 VM.WR of an unknown field", 8, 0, 0x9110000300000FFF, 0, ~0ull, 0xC0000C0000000000},
      {"A.6 VM.WR with RCX", 8, 1, 0x9110000300000010, 0, ~0ull, OPERAND(1)},
      {"A.6 VM.WR with an empty mask", 8, 0, 0x9110000300000010, 0, 0, 0xC0000C0100000000},
      {"A.6 a field id with an element count", 7, 0, 0x9010000100000005 | 1ull << 34, 0, 0, 0xC0000C0000000000},
      {"A.6 a field id with a field count", 7, 0, 0x9010000100000005 | 1ull << 38, 0, 0, 0xC0000C0000000000},
      {"A.6 VP.RD with RCX", 9, 1, 0xA020000200000002, 0, 0, OPERAND(1)},
      {"A.6 VP.RD of the index", 9, 0, 0xA020000200000002, 0, 0, 0},
      {"A.6 VP.WR of the index", 10, 0, 0xA020000200000002, 1, ~0ull, 0xC0000C0100000000},
      {"A.6 VP.WR of VM 2's controls, which are stored", 10, 0, 0xA020000300000052, 1, 7, 0},
      {"B.3 VP.RD of the host's RIP", 9, 0, 0x2420000300006C16, 0, 0, 0xC0000C0200000000},
      {"B.3 VP.WR of the pin controls", 10, 0, 0x2420000200004000, 0, ~0ull, 0xC0000C0100000000},
      {"B.3 VP.WR of the entry controls' other bits", 10, 0, 0x2420000200004012, 0, ~0ull, 0xC0000C0300000000},
      {"B.3 VP.WR of CR0.CD", 10, 0, 0x2420000300006800, 0x40000021, ~0ull, 0xC0000C0300000000},
      {"B.3 VP.WR of CR4 without MCE", 10, 0, 0x2420000300006804, 0x2000, ~0ull, 0xC0000C0300000000},
      {"B.3 VP.WR of EFER without NXE", 10, 0, 0x2420000300002806, 0x101, ~0ull, 0xC0000C0300000000},
      {"B.3 VP.WR of a 16-bit field's upper bits", 10, 0, 0x2420000100000802, 0x10008, ~0ull, 0xC0000C0300000000},
      {"A.4 ACCEPT of a misaligned address", 6, 0x10000800, 0, 0, 0, OPERAND(1)},
      {"A.4 ATTR.RD of a shared page", 23, SHARED | 0x8020000, 0, 0, 0, OPERAND(1)},
      {"A.4 CPUIDVE.SET of the upper half", 5, 1ull << 32, 0, 0, 0, OPERAND(1)},
      {"A.4 INVVPID of VM 0", 27, 0, 0x1000, 0, 0, OPERAND(1)},
      {"A.4 INVVPID with a reserved bit", 27, 1ull << 52 | 2, 0x1000, 0, 0, OPERAND(1)},
      {"A.4 VERIFYREPORT of a shared structure", 22, SHARED | 0x8020000, 0, 0, 0, OPERAND(1)},
      {"A.4 RTMR.EXTEND of shared data", 2, SHARED | 0x8020000, 2, 0, 0, OPERAND(1)},
  };
  check_leaves(more, sizeof more / sizeof *more);
  static uint64_t list[512] __attribute__((aligned(4096)));
  list[0] = 0x1000;
  list[1] = 0x5002;
  check_equal("G.62 INVVPID of a list", leaf(27, 1ull << 52 | 1, (uint64_t)list | 2ull << 52, 0, 0), 0);
  check_equal("G.62 leaves no entries", last.rdx >> 52, 0);
  check_equal("A.4 SYS.RDALL", leaf(12, 0, (uint64_t)list, ~0ull, 0) >> 63, 0);
}
