// GuestPort.h: the instructions by which the test guest reaches its kernel, its host and its memory.
#pragma once
#include <stdint.h>

// What a call to the kernel leaves: the registers, the transport's answer, and the byte SVSM_CALL_PENDING as it was.
struct guest_answer {
  uint64_t rax, rcx, rdx, r8, r9;
  uint64_t transport;
  uint64_t pending;
};

// A call by VMGEXIT. `ghcb` 0: the GHCB MSR protocol (request 0x016); else the address of the GHCB page and `shared`, where
// it is mapped without the C-bit: NAE event 0x80000018. `area` is the calling area, `pending` what it is to say, `after` the
// calling area when the call has returned: one that was given up may be another vCPU's to rescind at once.
struct guest_answer guest_snp_call(uint64_t area, uint64_t after, uint64_t pending, uint64_t ghcb, uint64_t shared,
                                   uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t r8, uint64_t r9);
// A call by TDCALL from an L2 (design.md, "Guest conventions").
struct guest_answer guest_td_call(uint64_t area, uint64_t after, uint64_t pending, uint64_t rax, uint64_t rcx, uint64_t rdx,
                                  uint64_t r8, uint64_t r9);
// A GHCB event with RAX as its operand: INFO1[31:0] of the answer.
uint64_t guest_snp_event(uint64_t ghcb, uint64_t shared, uint64_t code, uint64_t info1, uint64_t info2, uint64_t rax);
// Writes the GHCB MSR, executes VMGEXIT, reads it back.
uint64_t guest_ghcb_msr(uint64_t value);
// WRMSR by a GHCB event: INFO1[31:0] of the answer.
uint64_t guest_snp_wrmsr(uint64_t ghcb, uint64_t shared, uint32_t number, uint64_t value);
// RMPADJUST of the page at `address` (4 KiB) with operand `rdx`: EAX.
uint64_t guest_rmpadjust(uint64_t address, uint64_t rdx);
// One byte to a port by OUT.
void guest_out(uint16_t port, uint8_t value);
// Loads the exception table, the same for all vCPUs.
void guest_load_idt(void);
// One load that may fault: 1 if it did not.
uint64_t guest_probe(uint64_t address);
// WRMSR that may fault: 1 if it did not.
uint64_t guest_probe_wrmsr(uint32_t number, uint64_t value);
// The vector that the guest may send itself, how often it came, and a moment in which it can come.
#define GUEST_VECTOR 0x50
uint64_t guest_interrupts(void);
void guest_open_window(void);
// Whether an exception happened to a probe, its vector and error code.
uint64_t guest_probe_vector(void);
uint64_t guest_probe_error(void);
// Halts for ever.
void guest_halt(void);
// Clears the encryption bit `mask` in the alias tables, so that they show memory as shared.
void guest_open_alias(uint64_t mask);
// CR3, and the address of the entry at which another vCPU starts.
uint64_t guest_root(void);
uint64_t guest_entry_address(void);
uint64_t guest_stack_top(uint64_t index);
// Fields of the header that the kernel fills before it starts the guest, by offset from the image's start.
uint64_t guest_header(uint64_t offset);

uint64_t guest_load(uint64_t address);
void guest_store(uint64_t address, uint64_t value);
void guest_store_byte(uint64_t address, uint8_t value);
uint8_t guest_load_byte(uint64_t address);
// Locked: the word as it was.
uint64_t guest_exchange(uint64_t address, uint64_t value);
uint64_t guest_add(uint64_t address, uint64_t value);
void guest_pause(void);
// The time-stamp counter.
uint64_t guest_cycles(void);
// Clears a page by REP STOSQ, as the kernel does.
void guest_clear(uint64_t page);

// The four registers of CPUID.
struct guest_words {
  uint32_t a, b, c, d;
};
struct guest_words guest_cpuid(uint32_t leaf, uint32_t subleaf);
// One byte from a port by IN.
uint8_t guest_in(uint16_t port);
uint64_t guest_read_tsc(void);
// RDMSR that may fault: `is_there` 1 if it did not; then `value` is what was read.
struct guest_msr {
  uint64_t is_there, value;
};
struct guest_msr guest_probe_rdmsr(uint32_t number);
// TDCALL with a leaf in `rax`: its status, and what R8 and R9 hold afterwards.
struct guest_leaf {
  uint64_t status, r8, r9;
};
struct guest_leaf guest_td_leaf(uint64_t rax);
// TDCALL with every register but RSP filled from `seed`, R10 naming nobody: 1 if RBX, RBP and RSI came back.
uint64_t guest_td_registers(uint64_t seed);
// 1 if XMM0 to XMM15, filled from `seed`, outlast exits.
uint64_t guest_td_keeps_vectors(uint64_t seed);
// 1 if CR2, DR0 to DR3 and DR6, filled from `seed`, outlast exits.
uint64_t guest_td_keeps_debug(uint64_t seed);
// Sets CR4.OSXSAVE.
void guest_open_xsave(void);
// XSETBV that may fault: 1 if it did not.
uint64_t guest_probe_xsetbv(uint32_t number, uint64_t value);
// XCR0.
uint64_t guest_xgetbv(void);
// How many interrupts of `vector` (0x40 to 0x43) vCPU `index` has taken; each handler ends with EOI (x2APIC).
uint64_t guest_td_interrupts(uint64_t index, uint64_t vector);
// Halts with interrupts open until one comes.
void guest_rest(void);
// Gates of those vectors in the table at `gates`.
void guest_fill_gates(uint64_t *gates);
