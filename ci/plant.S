// plant: slowdowns put on purpose into the wake path (`--wrap=apus_rt_park`), which the latency suite must report.
#ifdef PLANT_DELAY
  .section .text.__wrap_apus_rt_park, "ax", @progbits
  .globl __wrap_apus_rt_park
__wrap_apus_rt_park:
  rdtsc
  shlq $32, %rdx
  orq %rax, %rdx
  imulq $10, apus_ticks_per_microsecond(%rip), %rcx
  addq %rdx, %rcx
1:
  pause
  rdtsc
  shlq $32, %rdx
  orq %rax, %rdx
  cmpq %rcx, %rdx
  jb 1b
  jmp __real_apus_rt_park
#endif
#ifdef PLANT_LOCK
  .section .text.__wrap_apus_rt_park, "ax", @progbits
  .globl __wrap_apus_rt_park
__wrap_apus_rt_park:
  lock incq planted(%rip)
  jmp __real_apus_rt_park
  .section .bss.planted, "aw", @nobits
  .p2align 6
planted:
  .quad 0
#endif
  .section .note.GNU-stack, "", @progbits
