// linux-init.S: the only program of the guest's userspace: says which CPUs run, and switches the machine off.
  .text
  .globl _start
_start:
  // sched_getaffinity(0, 64, mask): its bits are the CPUs.
  subq $64, %rsp
  movl $204, %eax
  xorl %edi, %edi
  movl $64, %esi
  movq %rsp, %rdx
  syscall
  popcntq (%rsp), %rax
  addb $'0', %al
  movb %al, count(%rip)
  // The kernel's own log is written by polling; a terminal would wait for an interrupt of the serial port.
  movl $2, %eax
  leaq log(%rip), %rdi
  movl $1, %esi
  syscall
  movl %eax, %edi
  movl $1, %eax
  leaq text(%rip), %rsi
  movl $(text_end - text), %edx
  syscall
  cmpq $(text_end - text), %rax
  jne 1f
  // reboot(LINUX_REBOOT_CMD_POWER_OFF): nothing but a program asks a kernel for that; a panic resets the machine. A TD's
  // programs have no ports of their own, and this kernel has no /dev/port.
  movl $169, %eax
  movl $0xfee1dead, %edi
  movl $672274793, %esi
  movl $0x4321fedc, %edx
  syscall
  // The end of the first program is a panic.
1: movl $60, %eax
  movl $1, %edi
  syscall
  ud2
  .data
log: .asciz "/dev/kmsg"
text: .ascii "<1>apus-linux: userspace reached, CPUs "
count: .ascii "0\n"
text_end:
