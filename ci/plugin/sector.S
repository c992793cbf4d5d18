// sector: a boot sector with known instruction counts, for the plugin's own test.
  .code16
  .globl start
start:
  cli
  xorw %ax, %ax
  movw %ax, %ds
  movw $1000, %cx
begin:
  loop begin
end:
  movb $7, 0x600
  movb 0x600, %al
#ifdef TICKS
idle:
  sti
  hlt
  jmp idle
#else
idle:
  hlt
  jmp idle
#endif
  .org 510
  .word 0xAA55
