// Instruction: what the decoder found at RIP.

/// What an instruction does, as far as the monitor must know.
public enum Operation: Equatable, Sendable {
  /// F2 0F 01 FF.
  case pvalidate
  /// F3 0F 01 FE.
  case rmpadjust
  /// F3 0F 01 FD.
  case rmpquery
  /// F2 0F 01 FE: a host's instruction, never a guest's.
  case rmpupdate
  /// F3 0F 01 FF: a host's instruction.
  case psmash
  /// 0F 01 FE.
  case invlpgb
  /// 0F 01 FF.
  case tlbsync
  /// F3 or F2 0F 01 D9.
  case vmgexit
  /// 0F 01 D9.
  case vmmcall
  /// 66 0F 01 CC.
  case tdcall
  /// 66 0F 01 CF.
  case seamcall
  /// 0F 01 C1.
  case vmcall
  /// 0F 0B.
  case ud2
  /// 0F 06.
  case clts
  /// 0F 01 /6: the operand, of two bytes, is in memory or in the register field.
  case lmsw
  /// 0F A2.
  case cpuid
  /// 0F 32.
  case rdmsr
  /// 0F 30.
  case wrmsr
  /// 0F 31.
  case rdtsc
  /// 0F 01 F9.
  case rdtscp
  /// 0F 33.
  case rdpmc
  /// F4.
  case hlt
  /// 0F 08.
  case invd
  /// 0F 09, with F3 WBNOINVD.
  case wbinvd
  /// F3 90.
  case pause
  /// 0F 01 C8.
  case monitor
  /// 0F 01 C9.
  case mwait
  /// 0F 01 D1.
  case xsetbv
  /// 0F 20 and 0F 22, 0F 21 and 0F 23: MOV to or from CRn or DRn.
  case moveControl(isDebug: Bool, isWrite: Bool)
  /// E4 to E7 and EC to EF; the port is the immediate, or DX when nil.
  case portAccess(isIn: Bool, port: UInt8?)
  /// 6C to 6F.
  case portString(isIn: Bool)
  /// MOV from memory to the register field of ModRM, or to RAX (A0, A1).
  case load
  /// MOV from the register field (or RAX) to memory.
  case store
  /// MOV of an immediate to memory (C6, C7).
  case storeImmediate
  /// MOVZX from memory of `sourceByteCount`.
  case loadZeroExtended
  /// MOVSX or MOVSXD from memory.
  case loadSignExtended
  /// STOS: RAX to memory at RDI.
  case storeString
  /// MOVS: memory at RSI to memory at RDI.
  case moveString
}

/// The segment that an operand is addressed through, by its number in the ISA.
public enum SegmentName: UInt8, Sendable {
  /// In the order of the encoding.
  case es, cs, ss, ds, fs, gs

  /// Where the save area keeps it.
  public var field: Int { VMCB.es + Int(rawValue) * 16 }
}

/// A memory operand: segment, base, index, displacement (SDM 2, 2.1.5 and 2.2.1).
public struct MemoryOperand: Equatable, Sendable {
  /// The segment.
  public var segment: SegmentName
  /// The base register, if any.
  public var base: GeneralRegister?
  /// The index register, if any.
  public var index: GeneralRegister?
  /// 1, 2, 4 or 8.
  public var scale: UInt64
  /// The displacement, sign-extended.
  public var displacement: UInt64
  /// Whether the address counts from the next instruction.
  public var isRIPRelative: Bool
}

/// One decoded instruction.
public struct Instruction: Equatable, Sendable {
  /// What it does.
  public var operation: Operation
  /// Its length in bytes, prefixes included.
  public var length: Int
  /// The operand size in bytes: 1, 2, 4 or 8.
  public var operandByteCount: Int
  /// The size of the memory source of MOVZX and MOVSX in bytes.
  public var sourceByteCount: Int
  /// The address size in bytes: 2, 4 or 8.
  public var addressByteCount: Int
  /// Whether F2 or F3 makes a string instruction repeat.
  public var isRepeated: Bool
  /// The register of ModRM.reg; `isHighByte` tells AH to BH from the register itself.
  public var register: GeneralRegister
  /// Whether a one-byte register operand is AH, CH, DH or BH.
  public var isHighByte: Bool
  /// The number of the control or debug register, 0 to 15.
  public var controlRegister: UInt8
  /// The immediate, sign-extended.
  public var immediate: UInt64
  /// The memory operand; nil for register forms and for implicit operands.
  public var memory: MemoryOperand?
  /// The segment of a string source, after overrides.
  public var stringSegment: SegmentName

  /// The linear address of the memory operand in the registers of `cpu`, before the instruction.
  ///
  /// The operand of STOS and INS is ES:RDI, that of MOVS and OUTS its source; nil without an operand.
  public func linearAddress(_ cpu: borrowing some CPUState & ~Copyable) -> UInt64? {
    switch operation {
    case .storeString, .portString(isIn: true): return linear(.es, cpu[.rdi], cpu)
    case .moveString, .portString(isIn: false): return linear(stringSegment, cpu[.rsi], cpu)
    default: break
    }
    guard let memory else { return nil }
    var offset = memory.displacement
    if let base = memory.base { offset &+= cpu[base] }
    if let index = memory.index { offset &+= cpu[index] &* memory.scale }
    if memory.isRIPRelative { offset &+= cpu.vmcb(VMCB.rip) &+ UInt64(length) }
    return linear(memory.segment, offset, cpu)
  }

  /// The linear address of `offset` in `segment`: in 64-bit mode only FS and GS have a base.
  func linear(
    _ segment: SegmentName, _ offset: UInt64, _ cpu: borrowing some CPUState & ~Copyable
  ) -> UInt64 {
    let cut: UInt64 =
      addressByteCount == 8 ? offset : offset & (addressByteCount == 4 ? 0xFFFF_FFFF : 0xFFFF)
    if cpu.codeSize == .bits64 {
      return segment == .fs || segment == .gs ? cpu.vmcb(segment.field + 8) &+ cut : cut
    }
    return (cpu.vmcb(segment.field + 8) &+ cut) & 0xFFFF_FFFF
  }

  /// The value of the register operand, cut to the operand size.
  public func registerValue(_ cpu: borrowing some CPUState & ~Copyable) -> UInt64 {
    if isHighByte, let low = GeneralRegister(rawValue: register.rawValue &- 4) {
      return cpu[low] >> 8 & 0xFF
    }
    return cpu[register] & Self.mask(operandByteCount)
  }

  /// Writes the register operand: 4-byte writes clear the upper half, smaller ones keep the rest.
  public func setRegister(_ value: UInt64, _ cpu: inout some CPUState & ~Copyable) {
    if isHighByte, let low = GeneralRegister(rawValue: register.rawValue &- 4) {
      cpu[low] = (cpu[low] & ~0xFF00) | (value & 0xFF) << 8
      return
    }
    cpu[register] = Self.merge(cpu[register], value, byteCount: operandByteCount)
  }

  /// `old` with the low `byteCount` bytes replaced, as a register write does.
  public static func merge(_ old: UInt64, _ value: UInt64, byteCount: Int) -> UInt64 {
    switch byteCount {
    case 8: value
    case 4: value & 0xFFFF_FFFF
    default: (old & ~mask(byteCount)) | (value & mask(byteCount))
    }
  }

  /// Ones in the low `byteCount` bytes.
  public static func mask(_ byteCount: Int) -> UInt64 {
    byteCount >= 8 ? .max : (1 << UInt64(max(0, byteCount) * 8)) &- 1
  }
}
