// MonitorLayout.h: numbers that the monitor's assembly, C and Swift share.
#pragma once

#define MAX_CPUS 64
#define STACK_BYTES 32768
#define TRAMPOLINE 0x8000
