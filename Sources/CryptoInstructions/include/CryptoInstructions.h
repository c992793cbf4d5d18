// CryptoInstructions: the CPU's SHA-256 and AES instructions as functions of values, for the hosted build only.
//
// Nothing is passed by address, so that Swift calls them without a pointer. A kernel image has none of this: it is built
// without SSE. On another CPU family than x86-64 the header is empty, and Crypto has its own code only.
#ifndef APUS_CRYPTO_INSTRUCTIONS_H
#define APUS_CRYPTO_INSTRUCTIONS_H
#ifdef __x86_64__
#include <stdbool.h>
#include <stdint.h>

/// Four words of a hash's state, the first in the lowest lane.
typedef uint32_t apus_words __attribute__((ext_vector_type(4)));
/// Sixteen bytes of a message, a cipher's block or a round key as they lie in memory.
typedef uint64_t apus_bytes __attribute__((ext_vector_type(2)));

/// The chaining value of SHA-256 (FIPS 180-4 §6.2): a, b, c, d and e, f, g, h.
typedef struct {
  apus_words low, high;
} apus_sha256_state;

/// The round keys of AES (FIPS 197 §5.2): eleven of AES-128, all fifteen of AES-256.
typedef struct {
  apus_bytes keys[15];
} apus_aes_schedule;

/// Four blocks.
typedef struct {
  apus_bytes blocks[4];
} apus_aes_blocks;

/// Whether the CPU has SHA256RNDS2 and its fellows (SDM 2A, CPUID: leaf 7 EBX bit 29, with SSSE3 and SSE4.1), the
/// environment variable APUS_CRYPTO is not `portable`, and the thread has not set them aside.
bool apus_has_sha(void);
/// The same of AESENC and its fellows (leaf 1 ECX bit 25).
bool apus_has_aes(void);
/// Sets the instructions aside for the calling thread, or takes them up again; returns how it was.
bool apus_set_portable(bool portable);

/// The chaining value after a block of 64 bytes. Only where `apus_has_sha`.
apus_sha256_state apus_sha256_block(
    apus_words low, apus_words high, apus_bytes first, apus_bytes second, apus_bytes third, apus_bytes fourth);

/// The round keys of a key of 16 bytes (`is256` false, `high` unused) or of 32. Only where `apus_has_aes`, as what follows.
apus_aes_schedule apus_aes_expand(apus_bytes low, apus_bytes high, bool is256);
/// One block encrypted in 10 or 14 rounds.
apus_bytes apus_aes_encrypt(apus_aes_schedule schedule, uint32_t rounds, apus_bytes block);
/// Four blocks encrypted side by side.
apus_aes_blocks apus_aes_encrypt_four(apus_aes_schedule schedule, uint32_t rounds, apus_aes_blocks blocks);
/// Four blocks decrypted side by side.
apus_aes_blocks apus_aes_decrypt_four(apus_aes_schedule schedule, uint32_t rounds, apus_aes_blocks blocks);
#endif
#endif
