// memory.c: the C memory functions that compiled code calls, by REP, in words where that is the same.
#include <stddef.h>
#include <stdint.h>

// From the first byte on; right as well where the regions overlap and `to` lies below `from`.
static inline void copy_forward(void *to, const void *from, size_t count) {
  size_t words = count / 8, bytes = count % 8;
  __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)::"memory");
}

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
  copy_forward(to, from, count);
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  void *result = to;
  if ((uintptr_t)to - (uintptr_t)from >= count) {
    copy_forward(to, from, count);
    return result;
  }
  size_t words = count / 8, bytes = count % 8;
  to = (char *)to + count - 1;
  from = (const char *)from + count - 1;
  // The last bytes, then words from the top.
  __asm__ volatile("std; rep movsb; sub $7, %0; sub $7, %1; mov %3, %2; rep movsq; cld"
                   : "+D"(to), "+S"(from), "+c"(bytes)
                   : "r"(words)
                   : "memory", "cc");
  return result;
}

void *memset(void *to, int value, size_t count) {
  void *result = to;
  size_t words = count / 8, bytes = count % 8;
  uint64_t pattern = (uint64_t)(uint8_t)value * 0x0101010101010101u;
  __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(pattern) : "memory");
  return result;
}

int memcmp(const void *left, const void *right, size_t count) {
  const unsigned char *a = left, *b = right;
  for (size_t index = 0; index < count; index++) {
    if (a[index] != b[index]) return a[index] < b[index] ? -1 : 1;
  }
  return 0;
}

size_t strlen(const char *text) {
  size_t count = 0;
  while (text[count]) count++;
  return count;
}
