// leaves.c: the self-test guest: dispatch, and instructions that do not simply execute.
// The numbers in the names are the statements of the project's TDX reference.
#include "selftest.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

void test_dispatch(void) {
  static const struct leaf_case bad[] = {
      {"G.2 leaf 31 is unknown", 31, 0, 0, 0, 0, OPERAND(0)},
      {"G.2 leaf 13 is unknown", 13, 0, 0, 0, 0, OPERAND(0)},
      {"G.2 leaf 0xFFFF is unknown", 0xFFFF, 0, 0, 0, 0, OPERAND(0)},
      {"G.3 ACCEPT has no version 1", 0x10006, 0, 0, 0, 0, OPERAND(0)},
      {"G.3 bit 24 of RAX is reserved", 1 << 24 | 1, 0, 0, 0, 0, OPERAND(0)},
      {"G.3 bit 32 of RAX is reserved", 1ull << 32 | 1, 0, 0, 0, 0, OPERAND(0)},
      {"G.5 a mask with RAX is refused", 0, 0xFC01, 0, 0, 0, OPERAND(1)},
      {"G.5 a mask with RCX is refused", 0, 0xFC02, 0, 0, 0, OPERAND(1)},
      {"G.5 a mask with RSP is refused", 0, 0xFC10, 0, 0, 0, OPERAND(1)},
      {"G.5 a mask with RBP is refused under NO_RBP_MOD", 0, 0xFC20, 0, 0, 0, OPERAND(1)},
      {"G.5 a mask above bit 31 is refused", 0, 1ull << 32 | 0xFC00, 0, 0, 0, OPERAND(1)},
      {"G.10 VEINFO.GET without information", 3, 0, 0, 0, 0, 0xC000070400000000},
      {"A.4 SERVTD.RD: not bound", 18, 0, 0, 0, 0, 0xC0000D0500000000},
      {"A.4 SERVTD.WR: not bound", 20, 0, 0, 0, 0, 0xC0000D0500000000},
      {"G.14 CPUIDVE.SET refuses bit 2", 5, 4, 0, 0, 0, OPERAND(1)},
      {"A.4 VP.INFO succeeds", 1, 0, 0, 0, 0, 0},
  };
  check_leaves(bad, COUNT(bad));
  check("G.9 VP.INFO: width 48, SYS.RD there, index 0",
        last.rcx == 48 && (last.r10 & 1) && last.r9 == 0 && last.r11 == 0 && (uint32_t)last.r8 >= 1 &&
            last.r8 >> 32 >= (uint32_t)last.r8);
  leaf(3, 0, 0, 0, 0);
  check("G.10 and zero outputs", !(last.rcx | last.rdx | last.r8 | last.r9 | last.r10));

  struct registers r = {.rax = 31, .rcx = 1, .rdx = 2, .rbx = 3, .rbp = 5, .rsi = 6, .rdi = 7, .r8 = 8, .r9 = 9,
                        .r10 = 10, .r11 = 11, .r12 = 12, .r13 = 13, .r14 = 14, .r15 = 15};
  tdcall(&r);
  check("G.2 an unknown leaf changes no other register",
        r.rcx == 1 && r.rdx == 2 && r.rbx == 3 && r.rbp == 5 && r.rsi == 6 && r.rdi == 7 && r.r8 == 8 && r.r9 == 9 &&
            r.r10 == 10 && r.r11 == 11 && r.r12 == 12 && r.r13 == 13 && r.r14 == 14 && r.r15 == 15);
  r = (struct registers){.rbx = 3, .rsi = 6, .rdi = 7, .r8 = 8, .r9 = 9, .rdx = 2, .rbp = 5};
  vmcall(&r, 0x10000, 0, 0, 0, 0);
  check("G.4 a host call keeps RBX, RSI, RDI, R8, R9, RDX, RBP and answers RAX 0, RCX the mask",
        r.rax == 0 && r.rcx == 0xFC00 && r.rbx == 3 && r.rsi == 6 && r.rdi == 7 && r.r8 == 8 && r.r9 == 9 &&
            r.rdx == 2 && r.rbp == 5 && r.r10 == 0 && r.r11 == 0);
  check_equal("C.2 an unknown sub-function is refused", vmcall(&r, 0x7777, 0, 0, 0, 0), 0x8000000000000003);
  check_equal("C.2 a port access of 3 bytes is refused", vmcall(&r, 30, 3, 0, 0x80, 0), 1ull << 63);
  check_equal("C.2 RDMSR of the APIC id succeeds", vmcall(&r, 31, 0x802, 0, 0, 0), 0);
  check_equal("C.2 RDMSR of an unknown MSR is refused", vmcall(&r, 31, 0x12345, 0, 0, 0), 1ull << 63);
  check_equal("C.2 a misaligned MapGPA is refused", vmcall(&r, 0x10001, 0x800, 0x1000, 0, 0), 0x8000000000000002);
  check_equal("C.2 GetQuote of a private buffer is refused", vmcall(&r, 0x10002, 0x1000, 0x1000, 0, 0), 1ull << 63);
  check_equal("C.2 MMIO at a private address is refused", vmcall(&r, 48, 4, 0, 0x1000, 0), 1ull << 63);
  check_equal("C.2 a notification vector below 32 is refused", vmcall(&r, 0x10004, 31, 0, 0, 0), 1ull << 63);
}

void i_in(void), i_hlt(void), i_wbinvd(void), i_vmcall(void), i_vmmcall(void), i_seamcall(void), i_ud2(void),
    i_cpuid0(void), i_cpuid2(void), i_cpuid40(void), i_rdmsr1b(void), i_rdmsr6e0(void), i_wrmsr10(void), i_vmxe(void),
    i_cr4bad(void), i_mceoff(void), i_load(void), i_lmsw(void), i_clts(void);

static uint64_t reason(void) {
  leaf(3, 0, 0, 0, 0);
  return last.rax ? ~0ull : last.rcx;
}

static uint64_t rdmsr(uint32_t number) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
  return (uint64_t)high << 32 | low;
}

void test_instructions(void) {
  check_equal("G.11 IN AL, 0x60 raises #VE", (uint64_t)probe(i_in), 20);
  check_equal("G.11 RIP stays at the IN", fault_rip, (uint64_t)i_in);
  check_equal("G.11 its reason is 30", reason(), 30);
  check_equal("G.11 its qualification", last.rdx, 0x600048);
  check("G.11 its length is 2, its addresses 0", (uint32_t)last.r10 == 2 && !last.r8 && !last.r9);
  check_equal("G.11 the information is given once", leaf(3, 0, 0, 0, 0), 0xC000070400000000);
  static const struct {
    const char *name;
    void (*code)(void);
    int vector;
    uint64_t reason;
  } cases[] = {
      {"G.21 HLT raises #VE 12", i_hlt, 20, 12},
      {"G.21 WBINVD raises #VE 54", i_wbinvd, 20, 54},
      {"G.21 VMCALL raises #VE 18", i_vmcall, 20, 18},
      {"G.21 VMMCALL is #UD", i_vmmcall, 6, 0},
      {"G.21 SEAMCALL is #UD", i_seamcall, 6, 0},
      {"UD2 is #UD", i_ud2, 6, 0},
      {"G.13 CPUID 2 raises #VE 10", i_cpuid2, 20, 10},
      {"G.13 CPUID 0x40000000 raises #VE 10", i_cpuid40, 20, 10},
      {"G.13 CPUID 0 does not", i_cpuid0, -1, 0},
      {"G.19 RDMSR 0x1B raises #VE 31", i_rdmsr1b, 20, 31},
      {"D.3 RDMSR 0x6E0 is #GP", i_rdmsr6e0, 13, 0},
      {"G.19 WRMSR 0x10 raises #VE 32", i_wrmsr10, 20, 32},
      {"G.20 CR4.VMXE raises #VE 28", i_vmxe, 20, 28},
      {"G.20 clearing CR4.MCE raises #VE 28", i_mceoff, 20, 28},
      {"G.20 a reserved bit of CR4 is #GP", i_cr4bad, 13, 0},
      {"D.1 LMSW is no #VE", i_lmsw, -1, 0},
      {"D.1 CLTS is no #VE", i_clts, -1, 0},
  };
  for (unsigned index = 0; index < COUNT(cases); index++) {
    int vector = probe(cases[index].code);
    check(cases[index].name, vector == cases[index].vector && (vector != 20 || reason() == cases[index].reason));
  }
  uint64_t cr0;
  __asm__ volatile("movq %%cr0, %0\n\tlmsw %w1" : "=&r"(cr0) : "r"(1));
  check_equal("D.1 they leave MP and PE", cr0 & 15, 3);
  uint64_t cr4;
  __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
  check_equal("G.20 CR4 reads MCE set and VMXE clear", cr4 & 0x2040, 0x40);
  check_equal("G.12 a first #VE", (uint64_t)probe(i_in), 20);
  check_equal("G.12 a second one before GET is #DF", (uint64_t)probe(i_in), 8);
  check_equal("G.12 the first one's information is still there", reason(), 30);
  leaf(5, 1, 0, 0, 0);
  check("G.14 CPUIDVE.SET makes CPUID 0 raise #VE at CPL 0", probe(i_cpuid0) == 20 && reason() == 10);
  leaf(5, 0, 0, 0, 0);
  uint32_t a, b, c, d;
  __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x21), "c"(0));
  check("G.13 CPUID 0x21 says \"IntelTDX    \"", a == 0 && b == 0x65746E49 && d == 0x5844546C && c == 0x20202020);
  check_equal("G.19 EFER reads LMA, LME, NXE and no SVME", rdmsr(0xC0000080) & 0x1D00, 0xD00);
  uint64_t before = __builtin_readcyclecounter(), by_msr = rdmsr(0x10);
  check("G.19 RDMSR 0x10 counts like RDTSC", before <= by_msr && by_msr <= __builtin_readcyclecounter());
  load_address = 1ull << 46;
  check("D.1 an unmapped linear address is an ordinary #PF", probe(i_load) == 14 && fault_cr2 == 1ull << 46);
}
