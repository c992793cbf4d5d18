// clock: the clock of the sim's tasks: the time-stamp counter, or a word; read wherever a run is counted, so in few instructions.
  .section .text.apus_host_now, "ax", @progbits
  .globl apus_host_now
  .type apus_host_now, @function
  // uint64_t apus_host_now(void)
apus_host_now:
  cmpl $0, sim_clock_is_counter(%rip)
  jne 1f
  movq sim_clock_word(%rip), %rax
  ret
1:
  rdtsc
  shlq $32, %rdx
  orq %rdx, %rax
  ret
  .section .note.GNU-stack, "", @progbits
