// InterruptState: the interrupts that wait for a vCPU and those that it serves.

/// 256 bits.
struct VectorSet: Equatable, Sendable {
  private var words = InlineArray<4, UInt64>(repeating: 0)

  subscript(vector: UInt8) -> Bool {
    get { words[Int(vector >> 6)] >> UInt64(vector & 63) & 1 == 1 }
    set {
      let bit: UInt64 = 1 << UInt64(vector & 63)
      if newValue { words[Int(vector >> 6)] |= bit } else { words[Int(vector >> 6)] &= ~bit }
    }
  }

  /// The 32 vectors from 32 × `index`.
  func register(_ index: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: words[(index >> 1) & 3] >> UInt64(32 * (index & 1)))
  }

  /// The highest vector; nil if there is none.
  var highest: UInt8? {
    var index = 3
    while index >= 0 {
      if words[index] != 0 { return UInt8(index * 64 + 63 - words[index].leadingZeroBitCount) }
      index -= 1
    }
    return nil
  }

  static func == (left: VectorSet, right: VectorSet) -> Bool {
    for index in 0..<4 where left.words[index] != right.words[index] { return false }
    return true
  }
}

/// The part of a local APIC that decides which interrupt comes next (SDM 3A, 11.8).
struct InterruptState: Equatable, Sendable {
  /// Waiting: IRR.
  var requested = VectorSet()
  /// Being served: ISR.
  var inService = VectorSet()
  /// The task priority, TPR.
  var taskPriority: UInt8 = 0
  /// Spurious vector register; bit 8 is the software enable.
  var spurious: UInt32 = 0xFF

  /// The processor priority, PPR.
  var processorPriority: UInt8 {
    let serving = (inService.highest ?? 0) & 0xF0
    return taskPriority & 0xF0 >= serving ? taskPriority : serving
  }

  /// The vector that would be delivered now, if interrupts are open; nil if none is above the priority.
  var deliverable: UInt8? {
    guard let vector = requested.highest, vector & 0xF0 > processorPriority & 0xF0 else { return nil }
    return vector
  }

  /// Puts a vector in; false for those below 16, which an APIC refuses.
  @discardableResult
  mutating func post(_ vector: UInt8) -> Bool {
    guard vector >= 16 else { return false }
    requested[vector] = true
    return true
  }

  /// The CPU is offered `vector`, which may be posted again before it is known whether it was taken.
  mutating func offer(_ vector: UInt8) { requested[vector] = false }

  /// The CPU has taken the vector that it was offered.
  mutating func accept(_ vector: UInt8) { inService[vector] = true }

  /// It has not.
  mutating func withdraw(_ vector: UInt8) { requested[vector] = true }

  /// EOI.
  mutating func end() {
    if let vector = inService.highest { inService[vector] = false }
  }
}
