// InstructionDecoder: from the bytes at RIP to an instruction that the monitor emulates or refuses.

/// A decoder of the instructions that exit to the monitor or touch emulated devices.
///
/// QEMU's SVM gives neither next RIP nor decode assists (svm-monitor.md §1), so lengths and operands
/// come from here. Encodings: SDM 2, appendix A and 2.1 to 2.2; the SNP and TDX ones svm-monitor.md §1.
/// Anything else is nil. Every read is of at most 15 known bytes.
public struct InstructionDecoder {
  private let bytes: InstructionBytes
  private let size: CodeSize
  private var place = 0
  private var operandOverride = false
  private var addressOverride = false
  private var prefix: UInt8 = 0
  private var rex: UInt8 = 0
  private var override: SegmentName?
  private var found: Instruction

  private init(_ bytes: InstructionBytes, _ size: CodeSize) {
    self.bytes = bytes
    self.size = size
    found = Instruction(
      operation: .ud2, length: 0, operandByteCount: 4, sourceByteCount: 0, addressByteCount: 8,
      isRepeated: false, register: .rax, isHighByte: false, controlRegister: 0, immediate: 0,
      memory: nil, stringSegment: .ds)
  }

  /// Decodes the instruction at the start of `bytes`; nil if it is none of ours or is cut off.
  public static func decode(_ bytes: InstructionBytes, _ size: CodeSize) -> Instruction? {
    var decoder = InstructionDecoder(bytes, size)
    guard decoder.prefixes(), let operation = decoder.opcode() else { return nil }
    decoder.found.operation = operation
    decoder.found.length = decoder.place
    return decoder.found
  }

  private mutating func next() -> UInt8? {
    guard let byte = bytes[place] else { return nil }
    place &+= 1
    return byte
  }

  /// Legacy prefixes in any order, then REX directly before the opcode.
  private mutating func prefixes() -> Bool {
    while let byte = bytes[place] {
      switch byte {
      case 0x66: operandOverride = true
      case 0x67: addressOverride = true
      case 0xF2, 0xF3: prefix = byte
      case 0xF0: break
      case 0x26: override = .es
      case 0x2E: override = .cs
      case 0x36: override = .ss
      case 0x3E: override = .ds
      case 0x64: override = .fs
      case 0x65: override = .gs
      case 0x40...0x4F where size == .bits64:
        rex = byte
        place &+= 1
        finishPrefixes()
        return true
      default:
        finishPrefixes()
        return true
      }
      place &+= 1
    }
    return false
  }

  private mutating func finishPrefixes() {
    switch size {
    case .bits64:
      found.operandByteCount = rex & 8 != 0 ? 8 : (operandOverride ? 2 : 4)
      found.addressByteCount = addressOverride ? 4 : 8
    case .bits32:
      found.operandByteCount = operandOverride ? 2 : 4
      found.addressByteCount = addressOverride ? 2 : 4
    case .bits16:
      found.operandByteCount = operandOverride ? 4 : 2
      found.addressByteCount = addressOverride ? 4 : 2
    }
    // ES, CS, SS and DS overrides mean nothing in 64-bit mode.
    if size == .bits64, let name = override, name != .fs, name != .gs { override = nil }
    found.stringSegment = override ?? .ds
    found.isRepeated = prefix != 0
  }

  private mutating func opcode() -> Operation? {
    guard let byte = next() else { return nil }
    switch byte {
    case 0x0F: return twoByte()
    case 0x6C, 0x6E:
      found.operandByteCount = 1
      return .portString(isIn: byte == 0x6C)
    case 0x6D, 0x6F:
      if found.operandByteCount == 8 { found.operandByteCount = 4 }
      return .portString(isIn: byte == 0x6D)
    case 0xE4...0xE7:
      guard let port = next() else { return nil }
      portSize(byte)
      return .portAccess(isIn: byte & 2 == 0, port: port)
    case 0xEC...0xEF:
      portSize(byte)
      return .portAccess(isIn: byte & 2 == 0, port: nil)
    case 0xF4: return .hlt
    case 0x90 where prefix == 0xF3: return .pause
    case 0x88, 0x89, 0x8A, 0x8B:
      if byte & 1 == 0 { found.operandByteCount = 1 }
      guard modRM(immediateByteCount: 0), found.memory != nil else { return nil }
      return byte < 0x8A ? .store : .load
    case 0xA0...0xA3:
      if byte & 1 == 0 { found.operandByteCount = 1 }
      guard let offset = little(found.addressByteCount) else { return nil }
      found.memory = MemoryOperand(
        segment: override ?? .ds, base: nil, index: nil, scale: 1, displacement: offset,
        isRIPRelative: false)
      return byte < 0xA2 ? .load : .store
    case 0xC6, 0xC7: return storeImmediate(byte)
    case 0x63 where size == .bits64:
      found.sourceByteCount = 4
      guard modRM(immediateByteCount: 0), found.memory != nil else { return nil }
      return .loadSignExtended
    case 0xAA, 0xAB, 0xA4, 0xA5:
      if byte & 1 == 0 { found.operandByteCount = 1 }
      return byte >= 0xAA ? .storeString : .moveString
    default: return nil
    }
  }

  private mutating func portSize(_ opcode: UInt8) {
    if opcode & 1 == 0 {
      found.operandByteCount = 1
    } else if found.operandByteCount == 8 {
      found.operandByteCount = 4
    }
  }

  private mutating func storeImmediate(_ opcode: UInt8) -> Operation? {
    if opcode == 0xC6 { found.operandByteCount = 1 }
    let count = min(found.operandByteCount, 4)
    guard let modrm = bytes[place], modrm >> 3 & 7 == 0, modRM(immediateByteCount: count),
      found.memory != nil, let value = little(count)
    else { return nil }
    found.immediate = Self.signExtended(value, count)
    return .storeImmediate
  }

  private mutating func twoByte() -> Operation? {
    guard let byte = next() else { return nil }
    switch byte {
    case 0x01: return groupSeven()
    case 0x06: return .clts
    case 0x08: return .invd
    case 0x09: return .wbinvd
    case 0x0B: return .ud2
    case 0x20...0x23: return moveControl(byte)
    case 0x30: return .wrmsr
    case 0x31: return .rdtsc
    case 0x32: return .rdmsr
    case 0x33: return .rdpmc
    case 0xA2: return .cpuid
    case 0xB6, 0xB7, 0xBE, 0xBF:
      found.sourceByteCount = byte & 1 == 0 ? 1 : 2
      guard modRM(immediateByteCount: 0), found.memory != nil else { return nil }
      return byte < 0xB8 ? .loadZeroExtended : .loadSignExtended
    default: return nil
    }
  }

  /// 0F 01 /r with ModRM as a third opcode byte (svm-monitor.md §1).
  private mutating func groupSeven() -> Operation? {
    if let modrm = bytes[place], modrm >> 3 & 7 == 6 {
      found.operandByteCount = 2
      guard modRM(immediateByteCount: 0) else { return nil }
      if modrm >= 0xC0, let register = GeneralRegister(rawValue: (modrm & 7) | (rex & 1) << 3) {
        found.register = register
      }
      return .lmsw
    }
    guard let byte = next() else { return nil }
    switch (byte, prefix) {
    case (0xC1, _): return .vmcall
    case (0xC8, _): return .monitor
    case (0xC9, _): return .mwait
    case (0xCC, 0) where operandOverride: return .tdcall
    case (0xCF, 0) where operandOverride: return .seamcall
    case (0xD1, _): return .xsetbv
    case (0xD9, 0): return .vmmcall
    case (0xD9, _): return .vmgexit
    case (0xF9, _): return .rdtscp
    case (0xFD, 0xF3): return .rmpquery
    case (0xFE, 0): return .invlpgb
    case (0xFE, 0xF2): return .rmpupdate
    case (0xFE, 0xF3): return .rmpadjust
    case (0xFF, 0): return .tlbsync
    case (0xFF, 0xF2): return .pvalidate
    case (0xFF, 0xF3): return .psmash
    default: return nil
    }
  }

  /// MOV CRn and DRn: ModRM is always a register form, whatever its mod field (SDM 2, MOV).
  private mutating func moveControl(_ opcode: UInt8) -> Operation? {
    guard let modrm = next(),
      let register = GeneralRegister(rawValue: (modrm & 7) | (rex & 1) << 3)
    else { return nil }
    found.register = register
    found.controlRegister = (modrm >> 3 & 7) | (rex >> 2 & 1) << 3
    found.operandByteCount = size == .bits64 ? 8 : 4
    return .moveControl(isDebug: opcode & 1 != 0, isWrite: opcode & 2 != 0)
  }

  /// ModRM, SIB and displacement (SDM 2, tables 2-1 to 2-3); false if cut off.
  private mutating func modRM(immediateByteCount: Int) -> Bool {
    guard let modrm = next() else { return false }
    let reg = (modrm >> 3 & 7) | (rex >> 2 & 1) << 3
    guard let register = GeneralRegister(rawValue: reg) else { return false }
    found.register = register
    found.isHighByte = found.operandByteCount == 1 && found.sourceByteCount == 0 && rex == 0 && reg >= 4
    let mode = modrm >> 6
    guard mode != 3 else { return true }
    guard found.addressByteCount != 2 else { return sixteenBit(mode, modrm & 7) }
    var operand = MemoryOperand(
      segment: .ds, base: nil, index: nil, scale: 1, displacement: 0, isRIPRelative: false)
    var displacementCount = mode == 1 ? 1 : (mode == 2 ? 4 : 0)
    if modrm & 7 == 4 {
      guard let sib = next() else { return false }
      operand.scale = 1 << UInt64(sib >> 6)
      let index = (sib >> 3 & 7) | (rex >> 1 & 1) << 3
      if index != 4 { operand.index = GeneralRegister(rawValue: index) }
      if sib & 7 == 5, mode == 0 {
        displacementCount = 4
      } else {
        operand.base = GeneralRegister(rawValue: (sib & 7) | (rex & 1) << 3)
      }
    } else if modrm & 7 == 5, mode == 0 {
      displacementCount = 4
      operand.isRIPRelative = size == .bits64
    } else {
      operand.base = GeneralRegister(rawValue: (modrm & 7) | (rex & 1) << 3)
    }
    if operand.base == .rsp || operand.base == .rbp { operand.segment = .ss }
    operand.segment = override ?? operand.segment
    if displacementCount > 0 {
      guard let value = little(displacementCount) else { return false }
      operand.displacement = Self.signExtended(value, displacementCount)
    }
    found.memory = operand
    return true
  }

  /// 16-bit addressing (SDM 2, table 2-1).
  private mutating func sixteenBit(_ mode: UInt8, _ rm: UInt8) -> Bool {
    let pairs: InlineArray<8, (GeneralRegister?, GeneralRegister?)> = [
      (.rbx, .rsi), (.rbx, .rdi), (.rbp, .rsi), (.rbp, .rdi), (.rsi, nil), (.rdi, nil), (.rbp, nil),
      (.rbx, nil),
    ]
    var (base, index) = pairs[Int(rm)]
    var count = mode == 1 ? 1 : (mode == 2 ? 2 : 0)
    if mode == 0, rm == 6 {
      base = nil
      index = nil
      count = 2
    }
    var operand = MemoryOperand(
      segment: override ?? (base == .rbp ? .ss : .ds), base: base, index: index, scale: 1, displacement: 0,
      isRIPRelative: false)
    if count > 0 {
      guard let value = little(count) else { return false }
      operand.displacement = Self.signExtended(value, count)
    }
    found.memory = operand
    return true
  }

  private mutating func little(_ count: Int) -> UInt64? {
    var value: UInt64 = 0
    for index in 0..<count {
      guard let byte = next() else { return nil }
      value |= UInt64(byte) << UInt64(8 &* index)
    }
    return value
  }

  private static func signExtended(_ value: UInt64, _ count: Int) -> UInt64 {
    guard count < 8 else { return value }
    let shift = UInt64(64 &- 8 &* count)
    return UInt64(bitPattern: Int64(bitPattern: value << shift) >> Int64(shift))
  }
}
