# tdx-reset: the code of the TDX reset page, as an assembler sees it; ci/igvm compares it with the builder's bytes.
    .set base, 0xFFFFF000
    .section .text
    .org 0x100
    .code32
start:
    cli
    lgdtl base + 0x48
    movl base, %eax
    movl %eax, %cr3
    movl $0x60, %eax                # PAE, MCE
    movl %eax, %cr4
    movl $0x80010033, %eax          # PG, WP, NE, ET, MP, PE; EFER.LME is already set
    movl %eax, %cr0
    .byte 0xEA                      # far jump to selector 8
    .long base + (long_mode - start) + 0x100
    .word 0x08
    .code64
long_mode:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl $base, %ebp
    testl %esi, %esi
    jnz secondary
    movq 0x10(%rbp), %rsp
    movq 0x18(%rbp), %rdi
    jmpq *0x08(%rbp)
secondary:
    cmpl 0x28(%rbp), %esi
    jae park
    movq 0x20(%rbp), %rdx
    movl %esi, %ecx
    shll $6, %ecx
    addq %rcx, %rdx
wait:
    pause
    movl (%rdx), %eax
    cmpl $1, %eax
    je take
    cmpl $4, %eax
    jne wait
    movl $1, 4(%rdx)                # parked, for whoever asks
park:
    pause
    jmp park
take:
    movl $2, %ecx
    lock cmpxchgl %ecx, (%rdx)
    jne wait
    movq 0x20(%rdx), %rax
    testq %rax, %rax
    jz 1f
    movq %rax, %cr3
1:  movq 0x10(%rdx), %rsp
    movq 0x18(%rdx), %rdi
    jmpq *0x08(%rdx)
    .org 0xFF0
    .byte 0xE9                      # jump to start
    .long start - (. + 4)
