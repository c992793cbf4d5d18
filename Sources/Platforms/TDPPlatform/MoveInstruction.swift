// MoveInstruction: the moves between memory and a register that reach an emulated device, decoded from their bytes.

/// A decoded MOV, MOVZX, MOVSX or MOVSXD with a memory operand (SDM 2A, chapter 2; opcodes 63, 88–8B, C6, C7, 0F B6–BF).
///
/// Whatever else the kernel might execute on device memory is refused; its own code uses nothing else.
struct MoveInstruction: Equatable {
  /// What moves.
  enum Operation: Equatable {
    /// Memory to register `number`, bits above the operand made of zeros.
    case load(register: UInt8)
    /// The same, made of the sign, up to `byteCount` bytes.
    case loadSigned(register: UInt8)
    /// Register `number` to memory.
    case store(register: UInt8)
    /// A constant to memory.
    case storeConstant(UInt64)
  }
  /// What moves.
  var operation: Operation
  /// Bytes in memory: 1, 2, 4 or 8.
  var memoryBytes: UInt8
  /// Bytes of the register that change or are read: 1, 2, 4 or 8.
  var registerBytes: UInt8
  /// Whether a one-byte register numbered 4 to 7 is AH, CH, DH or BH.
  var usesHighBytes: Bool
  /// Bytes in the instruction.
  var length: UInt8

  /// Decodes the instruction at the start of `bytes`; nil if it is another one, or longer.
  init?(_ bytes: InlineArray<15, UInt8>) {
    var reader = CodeReader(bytes: bytes)
    var isShort = false
    var rex: UInt8 = 0
    var opcode = reader.next()
    // Segment prefixes have no effect here: a device is reached through flat addresses.
    while opcode == 0x66 {
      isShort = true
      opcode = reader.next()
    }
    if opcode & 0xF0 == 0x40 {
      rex = opcode
      opcode = reader.next()
    }
    let wide: UInt8 = rex & 8 != 0 ? 8 : isShort ? 2 : 4
    var isTwoByte = false
    if opcode == 0x0F {
      isTwoByte = true
      opcode = reader.next()
    }
    guard let field = reader.modRM() else { return nil }
    let register = field | (rex & 4) << 1
    switch (isTwoByte, opcode) {
    case (false, 0x88): (operation, memoryBytes, registerBytes) = (.store(register: register), 1, 1)
    case (false, 0x89): (operation, memoryBytes, registerBytes) = (.store(register: register), wide, wide)
    case (false, 0x8A): (operation, memoryBytes, registerBytes) = (.load(register: register), 1, 1)
    case (false, 0x8B): (operation, memoryBytes, registerBytes) = (.load(register: register), wide, wide)
    case (false, 0x63): (operation, memoryBytes, registerBytes) = (.loadSigned(register: register), 4, wide)
    case (false, 0xC6):
      guard field == 0 else { return nil }
      (operation, memoryBytes, registerBytes) = (.storeConstant(reader.constant(1)), 1, 1)
    case (false, 0xC7):
      guard field == 0 else { return nil }
      (operation, memoryBytes, registerBytes) = (.storeConstant(reader.constant(min(wide, 4))), wide, wide)
    case (true, 0xB6): (operation, memoryBytes, registerBytes) = (.load(register: register), 1, wide)
    case (true, 0xB7): (operation, memoryBytes, registerBytes) = (.load(register: register), 2, wide)
    case (true, 0xBE): (operation, memoryBytes, registerBytes) = (.loadSigned(register: register), 1, wide)
    case (true, 0xBF): (operation, memoryBytes, registerBytes) = (.loadSigned(register: register), 2, wide)
    default: return nil
    }
    guard !reader.isPast else { return nil }
    usesHighBytes = rex == 0 && memoryBytes == 1 && registerBytes == 1
    length = UInt8(truncatingIfNeeded: reader.position)
  }

  /// What a store writes, from the registers in encoding order; nil for a load.
  func stored(_ registers: InlineArray<16, UInt64>) -> UInt64? {
    let value: UInt64
    switch operation {
    case .load, .loadSigned: return nil
    case .storeConstant(let constant): value = constant
    case .store(let register):
      value =
        isHighByte(register)
        ? registers[Int(register &- 4)] >> 8 : registers[Int(register & 15)]
    }
    return value & Self.mask(memoryBytes)
  }

  /// Puts what memory gave into the register of a load.
  func load(_ value: UInt64, into registers: inout InlineArray<16, UInt64>) {
    let register: UInt8
    var result = value & Self.mask(memoryBytes)
    switch operation {
    case .load(let number): register = number
    case .loadSigned(let number):
      register = number
      let shift = 64 &- 8 &* Int64(memoryBytes)
      result = UInt64(bitPattern: Int64(bitPattern: result << UInt64(shift)) >> shift)
    case .store, .storeConstant: return
    }
    if isHighByte(register) {
      let index = Int(register &- 4)
      registers[index] = registers[index] & ~0xFF00 | (result & 0xFF) << 8
      return
    }
    let index = Int(register & 15)
    // A 32-bit result clears the upper half; shorter ones leave the rest of the register (SDM 1, 3.4.1.1).
    let kept = registerBytes >= 4 ? 0 : registers[index] & ~Self.mask(registerBytes)
    registers[index] = kept | result & Self.mask(registerBytes)
  }

  private func isHighByte(_ register: UInt8) -> Bool { usesHighBytes && register >= 4 && register < 8 }

  private static func mask(_ byteCount: UInt8) -> UInt64 {
    byteCount >= 8 ? .max : (1 << (8 &* UInt64(byteCount))) &- 1
  }
}

// The bytes of one instruction, in order; beyond the end it reads zeros and remembers.
private struct CodeReader {
  let bytes: InlineArray<15, UInt8>
  var position = 0
  var isPast: Bool { position > bytes.count }

  mutating func next() -> UInt8 {
    defer { position &+= 1 }
    return position < bytes.count ? bytes[position] : 0
  }

  // Passes a ModRM byte with its SIB and displacement; the reg field, nil if the operand is a register.
  mutating func modRM() -> UInt8? {
    let byte = next()
    let mode = byte >> 6
    guard mode != 3 else { return nil }
    var displacement = mode == 1 ? 1 : mode == 2 ? 4 : 0
    if byte & 7 == 4 {
      if next() & 7 == 5, mode == 0 { displacement = 4 }
    } else if byte & 7 == 5, mode == 0 {
      displacement = 4
    }
    position &+= displacement
    return byte >> 3 & 7
  }

  // A constant of 1, 2 or 4 bytes, sign-extended.
  mutating func constant(_ byteCount: UInt8) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<UInt64(byteCount) { value |= UInt64(next()) << (8 &* index) }
    let shift = 64 &- 8 &* Int64(byteCount)
    return UInt64(bitPattern: Int64(bitPattern: value << UInt64(shift)) >> shift)
  }
}
