// MonitorLayout.h: numbers that the monitor's assembly, C and Swift share.
#pragma once

#define MAX_CPUS 64
#define STACK_BYTES 65536
// The first CPU also loads and measures.
#define FIRST_STACK_BYTES 524288
#define TRAMPOLINE 0x8000
