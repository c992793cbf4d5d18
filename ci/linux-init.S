// linux-init.S: the only program of the guest's userspace: says which CPUs run, and gives the verdict.
  .text
  .globl _start
_start:
  // open("/proc") is not needed: sched_getaffinity(0, 64, mask) tells the CPUs.
  subq $64, %rsp
  movl $204, %eax
  xorl %edi, %edi
  movl $64, %esi
  movq %rsp, %rdx
  syscall
  popcntq (%rsp), %rax
  addb $'0', %al
  movb %al, count(%rip)
  movl $1, %eax
  movl $1, %edi
  leaq text(%rip), %rsi
  movl $(text_end - text), %edx
  syscall
  // iopl(3), then the verdict port.
  movl $172, %eax
  movl $3, %edi
  syscall
  movb $0x10, %al
  outb %al, $0xF4
  // reboot(LINUX_REBOOT_CMD_POWER_OFF), where the port is not ours.
1: movl $169, %eax
  movl $0xfee1dead, %edi
  movl $672274793, %esi
  movl $0x4321fedc, %edx
  syscall
  jmp 1b
  .data
text: .ascii "\napus-linux: userspace reached, CPUs "
count: .ascii "0\n"
text_end:
