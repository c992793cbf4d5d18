// InterceptedInstruction: decodes the few instructions that a host intercepts in 64-bit kernel code.

/// An instruction at an address, as far as #VC needs it (APM 3, opcode maps; prefixes 66, F2, F3, segment and REX).
public struct InterceptedInstruction: Equatable, Sendable {
  /// What it does.
  public enum Kind: Equatable, Sendable {
    /// Nothing that is intercepted, or nothing that is known.
    case unknown
    case cpuid, rdtsc, rdtscp, rdpmc, wbinvd, invd, rdmsr, wrmsr
    /// MONITOR, MWAIT and VMMCALL.
    case hint
    case readDR7, writeDR7
    case portRead, portWrite
    /// A move between a register, or an immediate, and memory.
    case memoryRead, memoryWrite
  }
  /// What it does.
  public private(set) var kind = Kind.unknown
  /// Its length in bytes, at most 15.
  public private(set) var length: UInt64 = 0
  /// Bytes of data that a port or memory instruction moves.
  public private(set) var width = 0
  /// The register of a move, by number.
  public private(set) var register = 0
  /// The immediate port; nil: DX.
  public private(set) var port: UInt8?
  /// The immediate that is stored; nil: a register.
  public private(set) var immediate: UInt64?
  /// The value read fills the whole register (MOVZX).
  public private(set) var isExtended = false

  /// Whether it moves data through a port.
  public var isPort: Bool { kind == .portRead || kind == .portWrite }
  /// Whether it moves data to or from memory.
  public var isMemory: Bool { kind == .memoryRead || kind == .memoryWrite }
  /// Whether it reads or writes an MSR.
  public var isMSR: Bool { kind == .rdmsr || kind == .wrmsr }

  private var position = 0
  private var rex: UInt8 = 0
  private var isShort = false

  /// Decodes what `byte(offset)` gives, reading at most 15 bytes.
  public init(_ byte: (Int) -> UInt8) {
    var opcode = prefixes(byte)
    if opcode == 0x0F {
      decodeTwoByte(next(byte), byte)
    } else {
      decodeOneByte(&opcode, byte)
    }
    // SDM 2A, 2.3.11: longer instructions do not exist.
    if position > 15 { kind = .unknown }
    length = UInt64(position)
  }

  private mutating func next(_ byte: (Int) -> UInt8) -> UInt8 {
    guard position < 15 else {
      position = 16
      return 0xCC
    }
    let value = byte(position)
    position += 1
    return value
  }

  // Legacy prefixes, then at most one REX directly before the opcode.
  private mutating func prefixes(_ byte: (Int) -> UInt8) -> UInt8 {
    var value = next(byte)
    while position <= 15 {
      switch value {
      case 0x66: isShort = true
      case 0xF2, 0xF3, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65: break
      case 0x40...0x4F:
        rex = value
        return next(byte)
      default: return value
      }
      value = next(byte)
    }
    return value
  }

  private var operandWidth: Int { rex & 8 != 0 ? 8 : isShort ? 2 : 4 }

  private mutating func decodeOneByte(_ opcode: inout UInt8, _ byte: (Int) -> UInt8) {
    switch opcode {
    case 0xE4, 0xE5, 0xE6, 0xE7:
      port = next(byte)
      setPort(opcode)
    case 0xEC, 0xED, 0xEE, 0xEF: setPort(opcode)
    case 0x88, 0x89: move(.memoryWrite, opcode & 1 == 0 ? 1 : operandWidth, byte)
    case 0x8A, 0x8B: move(.memoryRead, opcode & 1 == 0 ? 1 : operandWidth, byte)
    case 0xC6, 0xC7:
      let size = opcode == 0xC6 ? 1 : operandWidth
      move(.memoryWrite, size, byte)
      // REG is an extension of the opcode here and must be 0; the register itself is not used.
      if register & 7 != 0 { kind = .unknown }
      immediate = storedImmediate(size, byte)
    default: break
    }
  }

  private mutating func setPort(_ opcode: UInt8) {
    kind = opcode & 2 == 0 ? .portRead : .portWrite
    width = opcode & 1 == 0 ? 1 : isShort ? 2 : 4
  }

  // An immediate of at most 4 bytes, sign-extended to 8.
  private mutating func storedImmediate(_ size: Int, _ byte: (Int) -> UInt8) -> UInt64 {
    var value: UInt64 = 0
    let count = min(size, 4)
    for index in 0..<count { value |= UInt64(next(byte)) << UInt64(8 * index) }
    if size == 8, value & 0x8000_0000 != 0 { value |= 0xFFFF_FFFF_0000_0000 }
    return value
  }

  private mutating func decodeTwoByte(_ opcode: UInt8, _ byte: (Int) -> UInt8) {
    switch opcode {
    case 0xA2: kind = .cpuid
    case 0x31: kind = .rdtsc
    case 0x33: kind = .rdpmc
    case 0x32: kind = .rdmsr
    case 0x30: kind = .wrmsr
    case 0x09: kind = .wbinvd
    case 0x08: kind = .invd
    case 0x01:
      switch next(byte) {
      case 0xF9: kind = .rdtscp
      case 0xC8, 0xC9, 0xD9: kind = .hint
      default: break
      }
    case 0x21, 0x23:
      let modRM = next(byte)
      // DR7, by its number or as the reserved DR15 never.
      guard modRM >> 3 & 7 == 7, rex & 4 == 0 else { return }
      kind = opcode == 0x21 ? .readDR7 : .writeDR7
      register = Int(modRM & 7 | (rex & 1) << 3)
    case 0xB6:
      isExtended = true
      move(.memoryRead, 1, byte)
    case 0xB7:
      isExtended = true
      move(.memoryRead, 2, byte)
    default: break
    }
  }

  // ModRM, SIB and displacement; the address itself comes from CR2.
  private mutating func move(_ kind: Kind, _ width: Int, _ byte: (Int) -> UInt8) {
    let modRM = next(byte)
    let mode = modRM >> 6
    guard mode != 3 else { return }
    self.kind = kind
    self.width = width
    register = Int(modRM >> 3 & 7 | (rex & 4) << 1)
    // AH to BH: without REX, numbers 4 to 7 of a byte move name no low byte.
    if width == 1, !isExtended, rex == 0, register >= 4 { self.kind = .unknown }
    var displacement = mode == 1 ? 1 : mode == 2 ? 4 : 0
    if modRM & 7 == 4 {
      let sib = next(byte)
      if mode == 0, sib & 7 == 5 { displacement = 4 }
    } else if mode == 0, modRM & 7 == 5 {
      displacement = 4
    }
    for _ in 0..<displacement { _ = next(byte) }
  }
}
