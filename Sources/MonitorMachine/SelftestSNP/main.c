// main.c: instruction-level tests of the SNP rules, from inside; TAP lines go out through the GHCB.
#include "selftest.h"

uint64_t fault_vector, fault_error, fault_rip, fault_cr2, probe_stack, other_value, other_count;
static int number, failures;
static uint8_t ghcb[4096] PAGE, lower_vmsa[8192] PAGE, other_vmsa[8192] PAGE, page[4096] PAGE, target[4096] PAGE;
static uint8_t other_stack[4096] PAGE;
static struct { uint64_t low, high; } idt[32] PAGE;
static int has_ghcb;

static void set64(uint32_t offset, uint64_t value) {
  *(volatile uint64_t *)(ghcb + offset) = value;
  ghcb[0x3F0 + offset / 64] |= (uint8_t)(1 << (offset / 8 & 7));
}
static uint64_t get64(uint32_t offset) { return *(volatile uint64_t *)(ghcb + offset); }
static void clear_ghcb(void) {
  for (int i = 0; i < 512; i++) ((volatile uint64_t *)ghcb)[i] = 0;
  *(volatile uint16_t *)(ghcb + 0xFFA) = 2;
}
static uint64_t nae(uint64_t code, uint64_t info1, uint64_t info2) {
  set64(0x390, code);
  set64(0x398, info1);
  set64(0x3A0, info2);
  wrmsr(0xC0010130, (uint64_t)ghcb);
  vmgexit();
  return get64(0x398) & 0xFFFFFFFF;
}
static void out(uint16_t port, uint8_t byte) {
  clear_ghcb();
  set64(0x1F8, byte);
  nae(0x7B, (uint64_t)port << 16 | 0x10, 0);
}
static void text(const char *s) { while (*s) out(0x3F8, (uint8_t)*s++); }
static void hex(uint64_t v) {
  for (int i = 60; i >= 0; i -= 4) out(0x3F8, (uint8_t)"0123456789abcdef"[v >> i & 15]);
}
static void decimal(int v) {
  if (v >= 10) decimal(v / 10);
  out(0x3F8, (uint8_t)('0' + v % 10));
}
static void check(const char *name, uint64_t found, uint64_t expected) {
  number++;
  if (found != expected) { failures++; text("not "); }
  text("ok ");
  decimal(number);
  text(" - ");
  text(name);
  text("\n");
  if (found != expected) { text("# found "); hex(found); text(" expected "); hex(expected); text("\n"); }
}
static _Noreturn void end(void) {
  text("1..");
  decimal(number);
  text("\n");
  out(0xF4, failures ? 0x11 : 0x10);
  for (;;) __asm__ volatile("pause");
}

/// The entry of the page table that maps `address`, in the builder's four-level tables.
static volatile uint64_t *entry(uint64_t address) {
  uint64_t table;
  __asm__ volatile("mov %%cr3, %0" : "=r"(table));
  volatile uint64_t *slot = 0;
  for (int shift = 39; shift >= 12; shift -= 9) {
    slot = (volatile uint64_t *)((table & ~C_BIT & ~0xFFFull) + 8 * (address >> shift & 511));
    table = *slot & 0x000FFFFFFFFFF000ull;
  }
  return slot;
}
static void set_encrypted(void *address, int is) {
  volatile uint64_t *slot = entry((uint64_t)address);
  *slot = is ? *slot | C_BIT : *slot & ~C_BIT;
  __asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}
static uint64_t page_state(void *address, uint64_t operation) {
  return msr_call(((uint64_t)address & 0xFFFFFFFFFF000ull) | operation << 52 | 0x14) >> 32;
}

static void do_cpuid(void) { __asm__ volatile("cpuid" ::"a"(0), "c"(0) : "rbx", "rdx", "memory"); }
static void do_in(void) { __asm__ volatile("inb $0x60, %%al" ::: "rax"); }
static void do_rdmsr(void) { __asm__ volatile("rdmsr" ::"c"(0x1B) : "rax", "rdx"); }
static void do_undefined(void) { __asm__ volatile("ud2"); }
static void do_mmio(void) { (void)*(volatile uint32_t *)0xFEE00020ull; }
static void do_read(void) { (void)*(volatile uint64_t *)page; }
static void do_vmmcall(void) { __asm__ volatile("vmmcall"); }
static void do_bad_status(void) { wrmsr(0xC0010131, 0); }
static void do_clear_c(void) { pvalidate((uint64_t)page, 0, 1); }
static void do_adjust(void) { rmpadjust((uint64_t)page, 0, 1); }
static void do_unmapped(void) { pvalidate(0x1000, 0, 1); }
static void do_rmpupdate(void) { __asm__ volatile(".byte 0xF2, 0x0F, 0x01, 0xFE" ::"a"(0), "c"(0)); }

static void raises(const char *name, void (*code)(void), uint64_t vector, uint64_t error) {
  fault_vector = fault_error = ~0ull;
  probe(code);
  check(name, fault_vector << 32 | (fault_error & 0xFFFFFFFF), vector << 32 | error);
}

static void set_segment(uint8_t *vmsa, uint32_t offset, uint16_t selector, uint16_t attributes) {
  *(uint16_t *)(vmsa + offset) = selector;
  *(uint16_t *)(vmsa + offset + 2) = attributes;
  *(uint32_t *)(vmsa + offset + 4) = 0xFFFFFFFF;
}
/// A VMSA in 64-bit mode on our own tables; a VMSA may not be 2 MiB aligned, and is not.
static uint8_t *make_vmsa(uint8_t *pages, uint8_t level, void *rip, uint64_t rdi, uint64_t rsi) {
  uint8_t *vmsa = pages + ((uint64_t)pages & 0x1FFFFF ? 0 : 4096);
  uint64_t root;
  __asm__ volatile("mov %%cr3, %0" : "=r"(root));
  for (int i = 0; i < 4096; i++) vmsa[i] = 0;
  set_segment(vmsa, 0x10, 8, 0xA9B);
  for (uint32_t offset = 0; offset <= 0x50; offset += 0x10) if (offset != 0x10) set_segment(vmsa, offset, 0x10, 0xC93);
  vmsa[0xCA] = level;
  *(uint64_t *)(vmsa + 0xD0) = 0x1D00;
  *(uint64_t *)(vmsa + 0x148) = 0x60;
  *(uint64_t *)(vmsa + 0x150) = root;
  *(uint64_t *)(vmsa + 0x158) = 0x80010031;
  *(uint64_t *)(vmsa + 0x160) = 0x400;
  *(uint64_t *)(vmsa + 0x168) = 0xFFFF0FF0;
  *(uint64_t *)(vmsa + 0x170) = 2;
  *(uint64_t *)(vmsa + 0x178) = (uint64_t)rip;
  *(uint64_t *)(vmsa + 0x1D8) = (uint64_t)other_stack + 4096;
  *(uint64_t *)(vmsa + 0x268) = 0x0007040600070406;
  *(uint64_t *)(vmsa + 0x330) = rsi;
  *(uint64_t *)(vmsa + 0x338) = rdi;
  *(uint64_t *)(vmsa + 0x3B0) = 1;
  *(uint64_t *)(vmsa + 0x3E8) = 1;
  rmpadjust((uint64_t)vmsa, 0, 1ull << 16 | 1ull << 8 | (level ? level : 1));
  return vmsa;
}

static void prepare(void) {
  for (int i = 0; i < 32; i++) {
    uint64_t handler = (uint64_t)vectors + 16 * (uint64_t)i;
    idt[i].low = (handler & 0xFFFF) | 8ull << 16 | 0x8Eull << 40 | (handler >> 16 & 0xFFFF) << 48;
    idt[i].high = handler >> 32;
  }
  static uint64_t gdt[3] = {0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF};
  struct { uint16_t limit; uint64_t base; } __attribute__((packed)) t = {23, (uint64_t)gdt};
  __asm__ volatile("lgdt %0" ::"m"(t));
  t.limit = sizeof idt - 1;
  t.base = (uint64_t)idt;
  __asm__ volatile("lidt %0" ::"m"(t));
  // The tables as the builder left them map the pool one to one; the APIC page is mapped here, shared.
  pvalidate((uint64_t)ghcb, 0, 0);
  page_state(ghcb, 2);
  set_encrypted(ghcb, 0);
  msr_call(((uint64_t)ghcb & ~0xFFFull) | 0x12);
  has_ghcb = 1;
}

static void instructions(void) {
  uint64_t p = (uint64_t)page;
  check("B.1.2: PVALIDATE of a validated page sets CF", pvalidate(p, 0, 1), 0x100);
  check("B.1.2: size 2 is FAIL_INPUT", pvalidate(p, 2, 1), 1);
  check("B.1.2: a 2 MiB address that is not aligned is FAIL_INPUT", pvalidate(p, 1, 1), 1);
  check("B.1.2: PVALIDATE 2 MiB on 4 KiB is FAIL_SIZEMISMATCH", pvalidate(0x8000000, 1, 1), 6);
  check("B.1.2: rescinding clears Validated", pvalidate(p, 0, 0), 0);
  raises("D.120: reading a page that is not validated is #VC 0x404", do_read, 29, 0x404);
  check("B.3: CR2 holds the address", fault_cr2, p);
  raises("B.1.2: RMPADJUST of a page that is not validated is #VC 0x404", do_adjust, 29, 0x404);
  flush_everywhere();
  check("B.1.2: validating again", pvalidate(p, 0, 1), 0);
  check("B.1.2: RMPADJUST towards VMPL0 is FAIL_PERMISSION", rmpadjust(p, 0, 0xF00), 2);
  check("D.119: RMPADJUST 2 MiB on 4 KiB is FAIL_SIZEMISMATCH", rmpadjust(0x8000000, 1, 1), 6);
  check("B.1.2: reserved operand bits are FAIL_INPUT", rmpadjust(p, 0, 1 | 1ull << 20), 1);
  check("B.1.2: VMPL 4 is FAIL_INPUT", rmpadjust(p, 0, 4), 1);
  check("B.1.2: RMPADJUST gives rights", rmpadjust(p, 0, 0x302), 0);
  uint64_t operand = 2, size = 9;
  check("B.1.2: RMPQUERY answers", rmpquery(p, &operand, &size), 0);
  check("B.1.2: RMPQUERY tells them", operand << 8 | size, 0x30200);
  check("B.1.2: RMPADJUST takes rights", rmpadjust(p, 0, 2), 0);
  flush_everywhere();
  raises("B.1.2: PVALIDATE of an address that is not mapped is #PF", do_unmapped, 14, 0);
  raises("B.1.2: RMPUPDATE in a guest is #UD", do_rmpupdate, 6, 0);
  set_encrypted(page, 0);
  raises("B.1.2: PVALIDATE without C-bit is #PF with P and RSVD", do_clear_c, 14, 9);
  set_encrypted(page, 1);
}

static void exceptions(void) {
  raises("B.3: CPUID is #VC 0x72", do_cpuid, 29, 0x72);
  raises("B.3: IN is #VC 0x7B", do_in, 29, 0x7B);
  raises("B.3: RDMSR is #VC 0x7C", do_rdmsr, 29, 0x7C);
  raises("B.3: VMMCALL is #VC 0x81", do_vmmcall, 29, 0x81);
  raises("UD2 is #UD", do_undefined, 6, 0);
  raises("B.2: writing SEV_STATUS is #GP", do_bad_status, 13, 0);
  check("B.2: SEV_STATUS is SEV_FEATURES << 2 | 3", rdmsr(0xC0010131), 7);
  (void)do_mmio;
}

static void host(void) {
  check("B.4: SEV info", msr_call(2), 2ull << 48 | 2ull << 32 | 47ull << 24 | 1);
  check("B.4: CPUID by MSR", msr_call(0x8000001Full << 32 | 1ull << 30 | 4) >> 32 & 0x3F, 47);
  check("B.4: host features have SNP, AP creation and several VMPLs", msr_call(0x80) >> 12 & 0x23, 0x23);
  check("B.4: no preferred GHCB", msr_call(0x10), 0xFFFFFFFFFFFFF011ull);
  check("D.122: an unknown code leaves the MSR unchanged", msr_call(0x7F), 0x7F);
  check("B.4: a VMPL without VMSA is an error", msr_call(3ull << 32 | 0x16), 1ull << 32 | 0x17);
  clear_ghcb();
  set64(0x1F8, 0x8000001F);
  set64(0x308, 0);
  // Printing uses the page too: what is to be checked is taken out first.
  uint64_t result = nae(0x72, 0, 0) << 8 | (get64(0x318) & 0x3F);
  check("B.5.1: CPUID by page", result, 47);
  clear_ghcb();
  set64(0x390, 0x72);
  set64(0x398, 0);
  wrmsr(0xC0010130, (uint64_t)ghcb);
  vmgexit();
  check("D.123: INFO2 not valid is 2/4", get64(0x398) << 8 | get64(0x3A0), 0x204);
  clear_ghcb();
  nae(0x12345, 0, 0);
  check("D.123: an unknown code is 2/6", get64(0x398) << 8 | get64(0x3A0), 0x206);
  clear_ghcb();
  *(volatile uint32_t *)(ghcb + 0xFFC) = 1;
  nae(0x72, 0, 0);
  check("D.123: usage 1 is 2/2", get64(0x398) << 8 | get64(0x3A0), 0x202);
  clear_ghcb();
  set64(0x3A8, (uint64_t)ghcb + 0x7F8);
  nae(0x80000010, 0, 0);
  check("D.123: scratch outside the buffer is 2/3", get64(0x398) << 8 | get64(0x3A0), 0x203);
  clear_ghcb();
  set64(0x3A8, (uint64_t)ghcb + 0x800);
  *(volatile uint32_t *)(ghcb + 0x800) = 253u << 16;
  nae(0x80000010, 0, 0);
  check("D.124: end entry 253 is an invalid header", get64(0x3A0), 1ull << 32 | 1);
  clear_ghcb();
  set64(0x3A8, (uint64_t)ghcb + 0x800);
  *(volatile uint64_t *)(ghcb + 0x800) = 0;
  *(volatile uint64_t *)(ghcb + 0x808) = ((uint64_t)target & ~0xFFFull) | 2ull << 52;
  pvalidate((uint64_t)target, 0, 0);
  nae(0x80000010, 0, 0);
  check("B.5.2: a page is made shared by list", get64(0x3A0) << 16 | *(volatile uint16_t *)(ghcb + 0x800), 1);
  set_encrypted(target, 0);
  *(volatile uint64_t *)target = 0x1122334455667788;
  check("B.1.3: a shared page is written with C = 0", *(volatile uint64_t *)target, 0x1122334455667788);
  set_encrypted(target, 1);
  check("B.5.2: and private again by MSR", page_state(target, 1), 0);
  check("B.5.2: it is not validated then", pvalidate((uint64_t)target, 0, 1), 0);
  check("B.1.2: its contents are lost", *(volatile uint64_t *)target == 0x1122334455667788, 0);
  clear_ghcb();
  set64(0x1F8, 1);
  nae(0x80000013, 77ull << 32 | 1, (uint64_t)page);
  check("D.125: an unknown APIC id is 2/5", get64(0x398) << 8 | get64(0x3A0), 0x205);
  set64(0x1F8, 1);
  nae(0x80000013, 1, 0x200000);
  check("D.62: a 2 MiB aligned VMSA is 2/5", get64(0x398) << 8 | get64(0x3A0), 0x205);
}

static void levels(void) {
  uint8_t *vmsa = make_vmsa(lower_vmsa, 1, lower_start, (uint64_t)page, (uint64_t)target);
  uint64_t root;
  __asm__ volatile("mov %%cr3, %0" : "=r"(root));
  // VMPL1 runs on our tables and reads one page: rights for the tables, its code, and that page.
  for (uint64_t table = 0x8010000; table < 0x8020000; table += 4096) rmpadjust(table, 0, 0x301);
  rmpadjust((uint64_t)lower_start & ~0xFFFull, 0, 0x901);
  rmpadjust((uint64_t)target, 0, 0x101);
  flush_everywhere();
  clear_ghcb();
  set64(0x1F8, 1);
  check("B.5.1: AP creation of a level of this vCPU", nae(0x80000013, 1ull << 16, (uint64_t)vmsa), 0);
  check("B.4: run VMPL 1 and back", msr_call(1ull << 32 | 0x16), 0x17);
  check("D.117: RMPADJUST at VMPL1 towards itself is 2", *(volatile uint64_t *)(vmsa + 0x318), 2);
  check("A.4: GUEST_EXITCODE is VMGEXIT", *(volatile uint64_t *)(vmsa + 0x3C0), 0x403);
  check("D.60: RMPADJUST leaves the VMSA to VMPL0 alone", *(volatile uint64_t *)(vmsa + 0x348), 0);
  clear_ghcb();
  check("B.5.1: run VMPL 1 by page", nae(0x80000018, 1, 0), 0);
  check("B.1.4: it went on", *(volatile uint64_t *)(vmsa + 0x348), 1);
}

static void processors(void) {
  uint32_t count = *(volatile uint32_t *)0x8001000;
  if (count < 2) return;
  uint8_t *vmsa = make_vmsa(other_vmsa, 0, other_start, 0x1234, 0);
  clear_ghcb();
  set64(0x1F8, 1);
  check("B.5.1: AP creation", nae(0x80000013, 1ull << 32 | 1, (uint64_t)vmsa), 0);
  for (uint64_t i = 0; i < 1000000000 && !*(volatile uint64_t *)&other_count; i++) __asm__ volatile("pause");
  check("B.5.1: the vCPU runs", other_count << 16 | other_value, 0x11234);
}

// What must never be seen by the host: the monitor looks for it in all shared memory at the end.
static volatile uint64_t secret[2] = {0x4E41432D53555041, 0x595241};

/// A guest that publishes its secret, for the test of the monitor's search.
static void publish(void) {
#ifdef LEAK
  pvalidate((uint64_t)page, 0, 0);
  page_state(page, 2);
  set_encrypted(page, 0);
  ((volatile uint64_t *)page)[5] = secret[0];
  ((volatile uint64_t *)page)[6] = secret[1];
#else
  secret[0] = secret[0];
#endif
}

void selftest_main(void) {
  prepare();
  instructions();
  exceptions();
  host();
  levels();
  processors();
  publish();
  end();
}
