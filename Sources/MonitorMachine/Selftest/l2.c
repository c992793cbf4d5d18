// l2.c: the self-test guest: TDG.VP.ENTER, and what an L2 does to L1.
#include "selftest.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define VM1 (1ull << 52)

static struct {
  uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rflags, rip, ssp;
  uint16_t status;
} state __attribute__((aligned(256)));
static uint64_t virtual_apic[512] __attribute__((aligned(4096)));
static uint64_t idt[512] __attribute__((aligned(4096))), stack[512] __attribute__((aligned(4096)));
extern volatile uint64_t l2_interrupts;
extern char image_end[];

void l2_vmcall(void), l2_cpuid(void), l2_cpuid_at(void), l2_hlt(void), l2_out(void), l2_out_at(void), l2_in_dx(void),
    l2_wbinvd(void), l2_invd(void), l2_ud2(void), l2_int3(void), l2_tdcall(void),
    l2_tdcall_end(void), l2_rdmsr(void), l2_wrmsr(void), l2_load(void), l2_store(void), l2_call(void), l2_rdtsc(void),
    l2_pause(void), l2_rdpmc(void), l2_read_cr0(void), l2_write_cr0(void), l2_read_cr4(void), l2_write_cr4(void),
    l2_write_cr3(void), l2_read_dr7(void), l2_sgdt(void), l2_xmm(void), l2_sti(void), l2_sti_open(void), l2_cr8(void),
    l2_registers(void), l2_spin(void), l2_gate(void), l2_gate_eoi(void), l2_gate_end(void), l2_fault(void),
    l2_fault_code(void), l2_fault_code_at(void), l2_clts(void), l2_lmsw(void), l2_lmsw_at(void), l2_lmsw_memory(void);
uint64_t read_xmm3(void);

static uint64_t write_field(uint64_t field, uint64_t value, uint64_t mask) { return leaf(10, 0, field, value, mask); }
static uint64_t vmcs(uint16_t encoding, uint64_t value) {
  return write_field(0x2420000300000000 | encoding, value, ~0ull);
}
static uint64_t read_vmcs(uint16_t encoding) {
  leaf(9, 0, 0x2420000300000000 | encoding, 0, 0);
  return last.r8;
}
static void primary(unsigned bit, int on) {
  write_field(0x2420000200004002, on ? 1ull << bit : 0, 1ull << bit);
}
static void controls(uint64_t value) { write_field(0xA020000300000051, value, 7); }
static void deadline(uint64_t value) { write_field(0xA020000300000059, value, ~0ull); }
// Lets the L2 read or write an MSR, or takes that away: the bit in the bitmap of VM 1.
static void native(uint32_t msr, int is_write, int on) {
  unsigned word = (msr & 0x1FFF) / 64 + (msr >= 0xC0000000 ? 0x80 : 0) + (is_write ? 0x100 : 0);
  write_field(0x2520000300000000 | word, on ? 0 : ~0ull, 1ull << (msr & 63));
}
static uint64_t alias(uint64_t page, uint64_t rights) {
  return leaf(24, page, (0x8000 | rights) << 16, 0xFull << 16, 0);
}
static uint64_t rip(void (*code)(void)) { return (uint64_t)code; }

static uint64_t enter(void) { return leaf(25, VM1, (uint64_t)&state, 0, 0); }
// Runs `code` with interrupts closed, from a fresh stack.
uint64_t l2_go(void (*code)(void)) {
  state.rip = rip(code);
  state.rflags = 2;
  state.rsp = (uint64_t)stack + 4096;
  return enter();
}
static uint64_t go_open(void (*code)(void)) {
  state.rip = rip(code);
  state.rflags = 0x202;
  state.rsp = (uint64_t)stack + 4096;
  return enter();
}

static void gate(unsigned vector, void (*code)(void)) {
  uint64_t handler = rip(code);
  idt[2 * vector] = (handler & 0xFFFF) | 8ull << 16 | 0x8Eull << 40 | (handler >> 16 & 0xFFFF) << 48;
  idt[2 * vector + 1] = handler >> 32;
}

void l2_set_up(void) {
  check_equal("B.3 the vAPIC page", vmcs(0x2012, (uint64_t)virtual_apic), 0);
  check_equal("G.44 an L2 in 32-bit mode without paging cannot fetch: exit 48", l2_go(l2_vmcall), 48);
  check_equal("G.44 from its flat RIP", last.r8, rip(l2_vmcall));
  check_equal("B.3 CR0", vmcs(0x6800, 0x80010031), 0);
  check_equal("B.3 CR3", vmcs(0x6802, root_address()), 0);
  check_equal("B.3 CR4", vmcs(0x6804, 0x42260), 0);
  vmcs(0x6000, 0x80000001);
  vmcs(0x6004, 0x80000031);
  vmcs(0x6002, 0x2000);
  vmcs(0x6006, 0);
  check_equal("B.3 EFER", vmcs(0x2806, 0xD01), 0);
  check_equal("B.3 the IA-32e control", write_field(0x2420000200004012, 0x200, 0x200), 0);
  vmcs(0x4816, 0xA09B);
  vmcs(0x0802, 8);
  struct {
    uint16_t limit;
    uint64_t base;
  } __attribute__((packed)) gdt;
  __asm__ volatile("sgdt %0" : "=m"(gdt));
  vmcs(0x6816, gdt.base);
  vmcs(0x4810, gdt.limit);
  vmcs(0x6818, (uint64_t)idt);
  vmcs(0x4812, 4095);
  for (unsigned vector = 0; vector < 256; vector++)
    gate(vector, vector >= 32 ? l2_gate
                 : vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 ? l2_fault_code
                                                                                    : l2_fault);
  check_equal("G.44 a page without alias: exit 48", l2_go(l2_vmcall), 48);
  check_equal("G.44 its GPA, which is that of the tables", last.r8 & ~0xFFFull, root_address());
  check_equal("G.44 not pending", last.r13, 0);
  uint64_t failed = 0;
  for (uint64_t page = 0x8020000; page < (uint64_t)image_end; page += 4096) failed |= alias(page, 0xF);
  failed |= alias(gdt.base & ~0xFFFull, 0xF);
  check_equal("G.45 aliases of the image", failed, 0);
  check_equal("G.56 VMCALL exits with 18", l2_go(l2_vmcall), 18);
  check_equal("B.5 RIP at the instruction", state.rip, rip(l2_vmcall));
  check_equal("B.5 its length in R11[63:32]", last.r11 >> 32, 3);
  check_equal("B.5 CS selector, rights and limit in RSI", last.rsi, 0xFFFFFFFFA09B0008);
  check("B.5 zero in RBX, R12, R14, R15", !(last.rbx | last.r12 | last.r14 | last.r15));
}

static void test_exits(void) {
  static const struct {
    const char *name;
    void (*code)(void), (*at)(void);
    uint64_t reason, length;
  } cases[] = {
      {"G.56 CPUID exits with 10", l2_cpuid, l2_cpuid_at, 10, 2},
      {"G.56 HLT exits with 12", l2_hlt, l2_hlt, 12, 1},
      {"B.6 INVD exits with 13", l2_invd, l2_invd, 13, 2},
      {"B.6 WBINVD exits with 54", l2_wbinvd, l2_wbinvd, 54, 2},
  };
  for (unsigned index = 0; index < COUNT(cases); index++) {
    uint64_t status = l2_go(cases[index].code);
    check_equal(cases[index].name, status, cases[index].reason);
    check("B.5 with RIP and length", state.rip == rip(cases[index].at) && last.r11 >> 32 == cases[index].length);
  }
  check_equal("G.53 OUT exits with 30", l2_go(l2_out), 30);
  check_equal("G.53 its qualification", last.rcx, 0x800040);
  check("G.53 its length and place", last.r11 >> 32 == 2 && state.rip == rip(l2_out_at));
  state.rdx = 0x3F8;
  check_equal("G.53 IN from DX exits with 30", l2_go(l2_in_dx), 30);
  check_equal("G.53 its qualification", last.rcx, 0x3F80009);
  check_equal("G.54 all registers", l2_go(l2_registers), 18);
  check("G.54 are in the state",
        state.rax == 0x1111 && state.rcx == 0x2222 && state.rdx == 0x3333 && state.rbx == 0x4444 &&
            state.rbp == 0x5555 && state.rsi == 0x6666 && state.rdi == 0x7777 && state.r8 == 0x8888 &&
            state.r15 == 0xFFFF && state.rsp == (uint64_t)stack + 4096);
  check_equal("G.53 RBP is the L2's", last.rbp, 0x5555);
  state.rax = 0xABCDEF;
  __asm__ volatile("movq %%cr4, %%rax; orl $0x200, %%eax; movq %%rax, %%cr4" ::: "rax");
  check_equal("G.54 an L2 loads XMM3", l2_go(l2_xmm), 18);
  check_equal("G.54 which is not switched", read_xmm3(), 0xABCDEF);
  state.rip = rip(l2_vmcall);
  state.rflags = 0;
  check_equal("G.55 RFLAGS without bit 1 is a failed entry", enter(), 0x80000021);
  state.rax = 1;
  check_equal("G.56 TDCALL leaf 1 exits with 77", l2_go(l2_tdcall), 77);
  check("B.6 with RIP at it and length 4", state.rip == rip(l2_tdcall) && last.r11 >> 32 == 4);
  state.rcx = 0x1B;
  check_equal("G.56 RDMSR 0x1B exits with 31", l2_go(l2_rdmsr), 31);
  state.rcx = 0x10;
  check_equal("B.6 WRMSR exits with 32", l2_go(l2_wrmsr), 32);
}

static void test_msrs(void) {
  state.rcx = 0xC0000102;
  state.rax = 0x12345678;
  state.rdx = 0x9;
  check_equal("G.60 a bitmap bit of 1 exits", l2_go(l2_wrmsr), 32);
  native(0xC0000102, 0, 1);
  native(0xC0000102, 1, 1);
  check_equal("G.60 a bit of 0 does not", l2_go(l2_wrmsr), 18);
  state.rax = state.rdx = 0;
  check_equal("G.60 nor a read", l2_go(l2_rdmsr), 18);
  check("G.60 which answers what was written", state.rax == 0x12345678 && state.rdx == 9);
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xC0000102));
  check("B.1 KERNEL_GS_BASE is not switched", low == 0x12345678 && high == 9);
  state.rcx = 0xC0002000;
  check_equal("G.60 an MSR outside the bitmap always exits", l2_go(l2_rdmsr), 31);
  native(0xC0000080, 0, 1);
  native(0xC0000080, 1, 1);
  state.rcx = 0xC0000080;
  check_equal("B.6 RDMSR of EFER", l2_go(l2_rdmsr), 18);
  check_equal("B.1 NXE is set", state.rax & 0xD00, 0xD00);
  state.rax &= ~0x800ull;
  check_equal("B.6 clearing NXE is L1's", l2_go(l2_wrmsr), 32);
  native(0x10, 1, 1);
  state.rcx = 0x10;
  check_equal("B.6 what would be #VE in L1 exits", l2_go(l2_wrmsr), 32);
  native(0x8B, 0, 1);
  state.rcx = 0x8C;
  native(0x8C, 0, 1);
  check_equal("B.6 what would be #GP stays in the L2", l2_go(l2_rdmsr), 18);
  check_equal("B.6 its handler runs", state.rip, rip(l2_fault_code_at));
}

static void test_controls(void) {
  static const struct {
    const char *name;
    unsigned bit;
    void (*code)(void);
    uint64_t reason;
  } cases[] = {
      {"B.3 RDTSC exiting", 12, l2_rdtsc, 16},
      {"B.3 PAUSE exiting", 30, l2_pause, 40},
      {"B.3 MOV-DR exiting", 23, l2_read_dr7, 29},
      {"B.3 CR3-load exiting", 15, l2_write_cr3, 28},
      {"B.3 CR8-load exiting", 19, l2_cr8, 28},
  };
  state.rbx = root_address();
  for (unsigned index = 0; index < COUNT(cases); index++) {
    state.rax = 0;
    check_equal("B.3 without the control there is no exit", l2_go(cases[index].code), 18);
    primary(cases[index].bit, 1);
    check_equal(cases[index].name, l2_go(cases[index].code), cases[index].reason);
    primary(cases[index].bit, 0);
  }
  check_equal("B.3 SGDT", l2_go(l2_sgdt), 18);
  write_field(0x242000020000401E, 4, 4);
  check_equal("B.3 descriptor-table exiting", l2_go(l2_sgdt), 46);
  write_field(0x242000020000401E, 0, 4);

  check_equal("B.3 a read of CR0", l2_go(l2_read_cr0), 18);
  check_equal("B.3 shows its value", state.rax, 0x80010031);
  state.rax |= 8;
  check_equal("B.6 a change that nobody owns", l2_go(l2_write_cr0), 18);
  check_equal("B.6 is done", read_vmcs(0x6800) & 8, 8);
  state.rax &= ~0x80000008ull;
  check_equal("B.6 a change of L1's bit is L1's", l2_go(l2_write_cr0), 28);
  check_equal("B.6 with its qualification", last.rcx, 0);
  check_equal("B.3 a read of CR4", l2_go(l2_read_cr4), 18);
  check_equal("B.3 shows L1's shadow of VMXE", state.rax & 0x2040, 0x40);
  state.rax |= 0x80;
  check_equal("B.6 CR4.PGE", l2_go(l2_write_cr4), 18);
  check_equal("B.6 is set, VMXE kept", read_vmcs(0x6804), 0x422E0);
  state.rax = 0x402E0 | 1ull << 40;
  check_equal("B.6 a module's bit", l2_go(l2_write_cr4), 18);
  check_equal("B.6 is #GP in the L2", state.rip, rip(l2_fault_code_at));
}

// CLTS and LMSW, whose bits nobody owns at first: PE and PG are L1's.
static void test_status_word(void) {
  static const uint16_t none = 0;
  state.rax = 0xA;
  check_equal("B.6 LMSW of bits that nobody owns", l2_go(l2_lmsw), 18);
  check_equal("B.6 is done, and PE stays", read_vmcs(0x6800) & 15, 0xB);
  check_equal("B.6 CLTS", l2_go(l2_clts), 18);
  check_equal("B.6 is done", read_vmcs(0x6800) & 15, 3);
  state.rsi = (uint64_t)&none;
  check_equal("B.6 LMSW from memory", l2_go(l2_lmsw_memory), 18);
  check_equal("B.6 is done", read_vmcs(0x6800) & 15, 1);
  state.rsi = 1ull << 46;
  check_equal("B.6 LMSW from nowhere", l2_go(l2_lmsw_memory), 18);
  check("B.6 is #PF in the L2", state.rip == rip(l2_fault_code_at) && state.rax == 0);
  vmcs(0x6000, 0x80000009);
  state.rax = 8;
  check_equal("B.6 LMSW of L1's TS exits with 28", l2_go(l2_lmsw), 28);
  check_equal("B.6 kind 3 and its operand", last.rcx, 3 << 4 | 8 << 16);
  check("B.6 RIP and length", state.rip == rip(l2_lmsw_at) && last.r11 >> 32 == 3);
  check_equal("B.6 CLTS of a TS that is shown clear", l2_go(l2_clts), 18);
  vmcs(0x6004, 0x80000039);
  check_equal("B.6 of one that is shown set exits with 28", l2_go(l2_clts), 28);
  check_equal("B.6 kind 2", last.rcx, 2 << 4);
  vmcs(0x6000, 0x80000001);
  vmcs(0x6004, 0x80000031);
}

static void test_exceptions(void) {
  check_equal("B.6 INT3 that L1 does not want", l2_go(l2_int3), 18);
  check_equal("B.6 is the L2's", state.rip, rip(l2_fault));
  vmcs(0x4004, 1 << 18 | 1 << 6 | 1 << 14);
  check_equal("B.6 #UD exits with 0", l2_go(l2_ud2), 0);
  check_equal("B.6 as a hardware exception", last.r9, 0x80000306);
  state.rsi = 1ull << 46;
  check_equal("B.6 #PF exits with 0", l2_go(l2_load), 0);
  check_equal("B.6 with its error code", last.r9, 0x80000B0E);
  check_equal("B.6 and its address", last.rcx, 1ull << 46);
  vmcs(0x4004, 1 << 18);
  check_equal("B.6 #PF that L1 does not want", l2_go(l2_load), 18);
  check("B.6 is the L2's", state.rip == rip(l2_fault_code_at) && state.rax == 0);
  uint64_t cr2;
  __asm__ volatile("movq %%cr2, %0" : "=r"(cr2));
  check_equal("B.1 CR2 is not switched", cr2, 1ull << 46);
  vmcs(0x4812, 0);
  check_equal("B.6 a triple fault exits with 2", l2_go(l2_ud2), 2);
  vmcs(0x4812, 4095);
}

static void test_events(void) {
  vmcs(0x4016, 0x80000050);
  uint64_t before = l2_interrupts;
  native(0x80B, 1, 1);
  check_equal("B.7 an injected interrupt", go_open(l2_spin), 18);
  check("B.7 goes through the L2's IDT", state.rip == rip(l2_gate_end) && l2_interrupts == before + 1);
  check_equal("B.7 with a frame of where it was", stack[507], rip(l2_spin));
  check_equal("B.7 the valid bit is gone", read_vmcs(0x4016) >> 31, 0);
  vmcs(0x4016, 0x80000050);
  check_equal("G.55 injection with IF clear is a failed entry", l2_go(l2_spin), 0x80000021);
  vmcs(0x4016, 0x80000B0E);
  vmcs(0x4018, 2);
  check_equal("B.7 an injected #PF", l2_go(l2_spin), 18);
  check("B.7 has its error code", state.rip == rip(l2_fault_code_at) && state.rax == 2);

  virtual_apic[0x230 / 8] = 1;  // IRR: vector 0x60
  state.status = 0x60;
  check_equal("B.7 RVI with IF closed waits", l2_go(l2_vmcall), 18);
  check("B.7 and stays", state.rip == rip(l2_vmcall) && state.status == 0x60);
  native(0x80B, 1, 0);
  check_equal("B.7 STI lets it in; its EOI exits while L1 wants it", l2_go(l2_sti), 32);
  check("B.7 RVI has become SVI", state.rip == rip(l2_gate_eoi) && state.status == 0x6000);
  check("B.7 IRR has become ISR", virtual_apic[0x230 / 8] == 0 && virtual_apic[0x130 / 8] == 1);
  native(0x80B, 1, 1);
  check_equal("B.7 EOI that L1 does not want", enter(), 18);
  check("B.7 ends the service", state.rip == rip(l2_gate_end) && state.status == 0 && !virtual_apic[0x130 / 8]);
  state.rip += 3;
  check_equal("B.7 and the L2 goes on after STI's shadow", enter(), 18);
  check("B.7 where it was interrupted", state.rip == rip(l2_sti_open) + 1 && state.rsp == (uint64_t)stack + 4096);

  vmcs(0x201E, 1ull << 0x20);
  virtual_apic[0x230 / 8] = 1;
  state.status = 0x60;
  check_equal("B.7 EOI of a vector in the exit bitmap exits with 45", go_open(l2_spin), 45);
  check("B.7 with the vector, RIP after it", last.rcx == 0x60 && state.rip == rip(l2_gate_eoi) + 2);
  vmcs(0x201E, 0);

  virtual_apic[0x230 / 8] = 1;
  virtual_apic[0x80 / 8] = 0x70;
  state.status = 0x60;
  state.rax = 0x65;
  check_equal("B.7 a high TPR holds RVI back", go_open(l2_vmcall), 18);
  check_equal("B.7", state.rip, rip(l2_vmcall));
  state.rax = 5;
  check_equal("B.7 lowering CR8 lets it in", go_open(l2_cr8), 18);
  check("B.7 at once", state.rip == rip(l2_gate_end) && stack[507] == rip(l2_cr8) + 4);
  check_equal("B.7 CR8 is the page's TPR", virtual_apic[0x80 / 8], 0x50);
  virtual_apic[0x80 / 8] = 0;
  state.status = 0;
  native(0x83F, 1, 1);
  state.rcx = 0x83F;
  state.rax = 0x71;
  state.rdx = 0;
  check_equal("B.7 a self-IPI is virtualized", go_open(l2_wrmsr), 18);
  check("B.7 and delivered", state.rip == rip(l2_gate_end) && stack[507] == rip(l2_wrmsr) + 2);
  native(0x808, 0, 1);
  virtual_apic[0x80 / 8] = 0x40;
  state.rcx = 0x808;
  check_equal("B.7 RDMSR of TPR reads the page", l2_go(l2_rdmsr), 18);
  check_equal("B.7", state.rax, 0x40);
  virtual_apic[0x80 / 8] = 0;

  primary(2, 1);
  check_equal("B.7 the interrupt window exits with 7", l2_go(l2_sti), 7);
  check_equal("B.7 when it opens", state.rip, rip(l2_sti_open));
  check_equal("B.7 at once if it is open", go_open(l2_spin), 7);
  check_equal("B.7 without an instruction", state.rip, rip(l2_spin));
  primary(2, 0);

  deadline(0);
  l2_ticks = 0;
  check_equal("G.40 a deadline of 0 exits with 52", l2_go(l2_spin), 52);
  check_equal("G.40 without an instruction", l2_ticks, 0);
  deadline(__builtin_readcyclecounter() + 10000000);
  check_equal("G.40 a later one ends a loop", l2_go(l2_spin), 52);
  check("G.40 that ran", l2_ticks > 0);
  deadline(~0ull);

  __asm__ volatile("wrmsr" ::"c"(0x83F), "a"(0x43), "d"(0));
  state.rip = rip(l2_vmcall);
  state.rax = 0x4711;
  check_equal("G.52 an interrupt that waits for L1", enter(), 0x0000112000000000);
  check("G.52 leaves the state alone", state.rip == rip(l2_vmcall) && state.rax == 0x4711);
  __asm__ volatile("sti; nop; nop; cli" ::: "memory");
  check_equal("G.52 until it is taken", l2_go(l2_vmcall), 18);
}

static void test_l2_memory(void) {
  uint64_t page = 0x10000000;  // accepted by test_memory
  state.rsi = page;
  check_equal("G.44 a load without alias exits with 48", l2_go(l2_load), 48);
  check("G.44 with address, linear address and qualification",
        last.r8 == page && last.rdx == page && (last.rcx & 0x1F9) == 0x181 && last.r13 == 0);
  check_equal("G.45 a readable alias", alias(page, 1), 0);
  *(volatile uint64_t *)page = 0x1234;
  check_equal("G.45 lets it load", l2_go(l2_load), 18);
  check_equal("G.45 what L1 stored", state.rax, 0x1234);
  check_equal("G.45 but not store", l2_go(l2_store), 48);
  check_equal("G.45 which is a write to a readable page", last.rcx & 0x3F, 2 | 1 << 3);
  check_equal("G.45 a writable alias", alias(page, 3), 0);
  state.rax = 0x5678;
  check_equal("G.45 lets it store", l2_go(l2_store), 18);
  check_equal("G.45 for L1 to see", *(volatile uint64_t *)page, 0x5678);
  check_equal("G.45 but not execute", l2_go(l2_call), 48);
  check_equal("G.45 which is a fetch", last.rcx & 7, 4);
  check_equal("G.61 a reduction", alias(page, 0), 0);
  check_equal("G.61 with a flush", leaf(26, 2, 0, 0, 0), 0);
  check_equal("G.61 takes the load away", l2_go(l2_load), 48);

  struct registers r = {0};
  uint64_t shared = 0x10205000;  // in the 2 MiB that test_memory accepted
  vmcall(&r, 0x10001, shared | SHARED, 0x1000, 0, 0);
  *(volatile uint64_t *)(SHARED_WINDOW + shared) = 0x7777;
  state.rsi = SHARED_WINDOW + shared;
  controls(0);
  check_equal("G.58 a shared access without ENABLE_SHARED_EPTP is the host's, which resumes L1", l2_go(l2_load),
              0x0000110000000000 | 48);
  check_equal("G.58 with the address", last.r8, shared | SHARED);
  controls(1);
  check_equal("B.2 with it", l2_go(l2_load), 18);
  check_equal("B.2 it reads what is there", state.rax, 0x7777);
  controls(0);
  check_equal("B.2 and not any more without", l2_go(l2_load), 0x0000110000000000 | 48);
  vmcall(&r, 0x10001, shared, 0x1000, 0, 0);
  check_equal("G.48 an alias of a page that is pending", alias(shared, 0xF), 0);
  check_equal("G.48 says so in bit 62", last.rcx >> 62 & 1, 1);
  state.rsi = shared;
  check_equal("G.48 a load exits", l2_go(l2_load), 48);
  check_equal("G.48 with type 6", last.r13 & 15, 6);
  check_equal("G.48 until the page is accepted", leaf(6, shared, 0, 0, 0), 0);
  check_equal("G.48 which makes the alias", l2_go(l2_load), 18);
  check_equal("G.48 of an empty page", state.rax, 0);
}

static void test_host_calls(void) {
  state.rax = 0;
  state.rcx = 0xFC00;
  state.r10 = 0;
  state.r11 = 0x10000;
  state.r12 = 0;
  state.rbx = 0x99;
  controls(0);
  check_equal("G.57 TDVMCALL without ENABLE_TDVMCALL is L1's", l2_go(l2_tdcall), 77);
  controls(2);
  state.rcx = 0xFC00;
  check_equal("G.57 with it the host's", l2_go(l2_tdcall), 18);
  check("G.57 which answers the L2", state.rip == rip(l2_tdcall_end) && state.rax == 0 && state.r10 == 0 &&
                                         state.rcx == 0xFC00 && state.rbx == 0x99);
  state.rax = 1;
  check_equal("G.57 another leaf is L1's", l2_go(l2_tdcall), 77);
  state.rax = 0;
  state.rcx = 1;
  check_equal("G.57 so is a bad mask", l2_go(l2_tdcall), 77);
  controls(0);
}

static void test_notification(unsigned count) {
  if (count < 2) return;
  struct registers r = {0};
  l2_ticks = 0;
  interrupt_wish = 1;
  vmcall(&r, 32, 0x830, apic_ids[1] << 32 | 0x46, 0, 0);
  check_equal("G.59 an interrupt from another processor ends the L2 with 0x1102", l2_go(l2_spin),
              0x0000110200000000 | 1);
  interrupt_wish = 0;
  uint64_t before = interrupt_count;
  __asm__ volatile("sti; nop; nop; cli" ::: "memory");
  check_equal("G.59 and is L1's to take", interrupt_count, before + 1);
}

void test_l2(unsigned count) {
  l2_set_up();
  test_exits();
  test_msrs();
  test_controls();
  test_status_word();
  test_exceptions();
  test_events();
  test_l2_memory();
  test_host_calls();
  test_notification(count);
}
