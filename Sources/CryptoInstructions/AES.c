// AES: the block cipher by the CPU's instructions (SDM 2A, AESENC, AESDEC, AESKEYGENASSIST): no table, no branch on data.
#include "CryptoInstructions.h"
#ifdef __x86_64__
#include <immintrin.h>

#define WITH_AES __attribute__((target("aes")))

// The next four words from the four before and the assistant's word, which is in all lanes (FIPS 197 §5.2).
static inline __m128i chain(__m128i words, __m128i assist) {
  words = _mm_xor_si128(words, _mm_slli_si128(words, 4));
  words = _mm_xor_si128(words, _mm_slli_si128(words, 8));
  return _mm_xor_si128(words, assist);
}

// The rotated and substituted last word with the round constant, and the substituted last word alone.
#define ROTATED(words, constant) _mm_shuffle_epi32(_mm_aeskeygenassist_si128(words, constant), 0xff)
#define SUBSTITUTED(words) _mm_shuffle_epi32(_mm_aeskeygenassist_si128(words, 0), 0xaa)

WITH_AES apus_aes_schedule apus_aes_expand(apus_bytes low, apus_bytes high, bool is256) {
  apus_aes_schedule out = {{low}};
  __m128i a = (__m128i)low, b = (__m128i)high;
  if (is256) {
    out.keys[1] = high;
#define PAIR(round, constant)                                  \
  out.keys[round] = (apus_bytes)(a = chain(a, ROTATED(b, constant))); \
  out.keys[round + 1] = (apus_bytes)(b = chain(b, SUBSTITUTED(a)));
    PAIR(2, 1) PAIR(4, 2) PAIR(6, 4) PAIR(8, 8) PAIR(10, 16) PAIR(12, 32)
    out.keys[14] = (apus_bytes)chain(a, ROTATED(b, 64));
  } else {
#define NEXT(round, constant) out.keys[round] = (apus_bytes)(a = chain(a, ROTATED(a, constant)));
    NEXT(1, 1) NEXT(2, 2) NEXT(3, 4) NEXT(4, 8) NEXT(5, 16) NEXT(6, 32) NEXT(7, 64) NEXT(8, 128) NEXT(9, 27) NEXT(10, 54)
  }
  return out;
}

WITH_AES apus_bytes apus_aes_encrypt(apus_aes_schedule schedule, uint32_t rounds, apus_bytes block) {
  __m128i x = (__m128i)(block ^ schedule.keys[0]);
  for (uint32_t round = 1; round < rounds; round++) x = _mm_aesenc_si128(x, (__m128i)schedule.keys[round]);
  return (apus_bytes)_mm_aesenclast_si128(x, (__m128i)schedule.keys[rounds]);
}

WITH_AES apus_aes_blocks apus_aes_encrypt_four(apus_aes_schedule schedule, uint32_t rounds, apus_aes_blocks blocks) {
  for (int i = 0; i < 4; i++) blocks.blocks[i] ^= schedule.keys[0];
  for (uint32_t round = 1; round < rounds; round++)
    for (int i = 0; i < 4; i++)
      blocks.blocks[i] = (apus_bytes)_mm_aesenc_si128((__m128i)blocks.blocks[i], (__m128i)schedule.keys[round]);
  for (int i = 0; i < 4; i++)
    blocks.blocks[i] = (apus_bytes)_mm_aesenclast_si128((__m128i)blocks.blocks[i], (__m128i)schedule.keys[rounds]);
  return blocks;
}

// The equivalent inverse cipher (FIPS 197 §5.3.5): its round keys are made anew for each four blocks.
WITH_AES apus_aes_blocks apus_aes_decrypt_four(apus_aes_schedule schedule, uint32_t rounds, apus_aes_blocks blocks) {
  for (int i = 0; i < 4; i++) blocks.blocks[i] ^= schedule.keys[rounds];
  for (uint32_t round = rounds - 1; round > 0; round--) {
    __m128i key = _mm_aesimc_si128((__m128i)schedule.keys[round]);
    for (int i = 0; i < 4; i++) blocks.blocks[i] = (apus_bytes)_mm_aesdec_si128((__m128i)blocks.blocks[i], key);
  }
  for (int i = 0; i < 4; i++)
    blocks.blocks[i] = (apus_bytes)_mm_aesdeclast_si128((__m128i)blocks.blocks[i], (__m128i)schedule.keys[0]);
  return blocks;
}
#endif
