// SHA256: one block of SHA-256 by the CPU's instructions (SDM 2B, SHA256RNDS2, SHA256MSG1, SHA256MSG2).
#include "CryptoInstructions.h"
#ifdef __x86_64__
#include <immintrin.h>

// FIPS 180-4 §4.2.2.
static const uint32_t constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

__attribute__((target("sha,sse4.1,ssse3"))) apus_sha256_state apus_sha256_block(
    apus_words abcd, apus_words efgh, apus_bytes first, apus_bytes second, apus_bytes third, apus_bytes fourth) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  // Lanes from the lowest: b a d c and h g f e, which make f e b a and h g d c.
  __m128i low = _mm_shuffle_epi32((__m128i)abcd, 0xb1);
  __m128i high = _mm_shuffle_epi32((__m128i)efgh, 0x1b);
  const __m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);
  __m128i x = abef, y = cdgh;
  __m128i words[16] = {
      _mm_shuffle_epi8((__m128i)first, swap), _mm_shuffle_epi8((__m128i)second, swap),
      _mm_shuffle_epi8((__m128i)third, swap), _mm_shuffle_epi8((__m128i)fourth, swap)};
#pragma clang loop unroll(full)
  for (int group = 0; group < 16; group++) {
    if (group >= 4) {
      // w[t] = σ1(w[t-2]) + w[t-7] + σ0(w[t-15]) + w[t-16], four at a time.
      __m128i sum = _mm_add_epi32(
          _mm_sha256msg1_epu32(words[group - 4], words[group - 3]),
          _mm_alignr_epi8(words[group - 1], words[group - 2], 4));
      words[group] = _mm_sha256msg2_epu32(sum, words[group - 1]);
    }
    __m128i keyed = _mm_add_epi32(words[group], _mm_load_si128((const __m128i *)&constants[4 * group]));
    y = _mm_sha256rnds2_epu32(y, x, keyed);
    x = _mm_sha256rnds2_epu32(x, y, _mm_shuffle_epi32(keyed, 0x0e));
  }
  low = _mm_shuffle_epi32(_mm_add_epi32(x, abef), 0x1b);
  high = _mm_shuffle_epi32(_mm_add_epi32(y, cdgh), 0xb1);
  apus_sha256_state out = {(apus_words)_mm_blend_epi16(low, high, 0xf0), (apus_words)_mm_alignr_epi8(high, low, 8)};
  return out;
}
#endif
