// state.c: the kernel's few global words, and the weak hooks that the runtime replaces.
#include "Boot.h"

__attribute__((section(".data.ro_after_init"))) struct apus_sealed_state apus_sealed = {0};
struct apus_live_state apus_live __attribute__((aligned(64)));
struct apus_epitaph apus_epitaph;

__attribute__((weak)) void apus_interrupt(uint32_t vector) { (void)vector; }
__attribute__((weak)) void apus_print_trace(void) {}
