// linux-init.S: the only program of the guest's userspace: says which CPUs run, and gives the verdict.
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
  // The verdict goes to port 0xF4 by way of the kernel: a TDX guest's has no port access for programs.
  movl $2, %eax
  leaq port(%rip), %rdi
  movl $1, %esi
  syscall
  movl %eax, %edi
  movl $18, %eax
  leaq verdict(%rip), %rsi
  movl $1, %edx
  movl $0xF4, %r10d
  syscall
  // reboot(LINUX_REBOOT_CMD_POWER_OFF), where the port is not ours.
1: movl $169, %eax
  movl $0xfee1dead, %edi
  movl $672274793, %esi
  movl $0x4321fedc, %edx
  syscall
  jmp 1b
  .data
log: .asciz "/dev/kmsg"
port: .asciz "/dev/port"
verdict: .byte 0x10
text: .ascii "<1>apus-linux: userspace reached, CPUs "
count: .ascii "0\n"
text_end:
