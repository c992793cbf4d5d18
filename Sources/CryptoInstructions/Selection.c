// Selection: which of the CPU's instructions are used.
#include "CryptoInstructions.h"
#ifdef __x86_64__
#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

static bool has_sha, has_aes;
static _Thread_local bool is_portable;

// Before main, so that no thread sees it change. The XMM registers are every x86-64 kernel's to save.
__attribute__((constructor)) static void detect(void) {
  const char *choice = getenv("APUS_CRYPTO");
  unsigned eax, ebx, ecx, edx;
  if ((choice && strcmp(choice, "portable") == 0) || !__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return;
  has_aes = ecx & bit_AES;
  bool has_shuffles = (ecx & bit_SSSE3) && (ecx & bit_SSE4_1);
  has_sha = has_shuffles && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_SHA);
}

bool apus_has_sha(void) { return has_sha && !is_portable; }

bool apus_has_aes(void) { return has_aes && !is_portable; }

bool apus_set_portable(bool portable) {
  bool before = is_portable;
  is_portable = portable;
  return before;
}
#endif
