// ToolchainABI: the entry points behind objects that were compiled against the toolchain's own _Concurrency.
#ifndef APUS_TOOLCHAIN_ABI_H
#define APUS_TOOLCHAIN_ABI_H
/// Starts the program of such an object, on the calling CPU; it calls `abi_record` and, at its end, `abi_done`.
void abi_start(void);
#endif
