// libc.c: the C library functions that Embedded Swift's objects call, over the machine's heap and console.
#include <stddef.h>
#include <stdint.h>

// In Swift, room Machine.
void *apus_heap_allocate(size_t bytes, size_t alignment);
void apus_heap_release(void *address);
void apus_console_put(uint8_t byte);
uint64_t apus_random(void);

int posix_memalign(void **result, size_t alignment, size_t bytes) {
  void *address = apus_heap_allocate(bytes, alignment);
  if (address == NULL) return 12;  // ENOMEM
  *result = address;
  return 0;
}

void free(void *address) {
  if (address != NULL) apus_heap_release(address);
}

int putchar(int character) {
  apus_console_put((uint8_t)character);
  return character;
}

// For hash seeds only: nothing secret comes from here.
void arc4random_buf(void *buffer, size_t bytes) {
  uint8_t *next = buffer;
  for (size_t index = 0; index < bytes; index++) next[index] = (uint8_t)apus_random();
}
