// clock.S: the clock that tasks see: the time-stamp counter, read wherever a run is counted, so in four instructions.
  .section .text.apus_host_now, "ax", @progbits
  .globl apus_host_now
  .type apus_host_now, @function
  // uint64_t apus_host_now(void)
apus_host_now:
  rdtsc
  shlq $32, %rdx
  orq %rdx, %rax
  ret
  .section .note.GNU-stack, "", @progbits
