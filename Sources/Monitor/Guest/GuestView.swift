// GuestView: a guest's memory as the monitor reads and writes it, by guest-physical word.

/// The memory of one guest, by guest-physical address without C-bit or shared bit.
///
/// Both aliases of a guest page lead to the same storage under our monitor, so a view needs no
/// privacy: whether an *access* was allowed is the model's question, asked before.
public protocol GuestView: ~Copyable {
  /// The little-endian word at `address`, a multiple of 8; nil where the guest has no memory.
  func word(_ address: UInt64) -> UInt64?
  /// Stores a word; false, and nothing stored, where the guest has no memory.
  mutating func setWord(_ address: UInt64, _ value: UInt64) -> Bool
}

extension GuestView where Self: ~Copyable {
  /// The byte at `address`; nil where the guest has no memory.
  public func byte(_ address: UInt64) -> UInt8? {
    word(address & ~7).map { UInt8(truncatingIfNeeded: $0 >> ((address & 7) &* 8)) }
  }

  /// `count` bytes (at most 8) at `address`, which may cross a word but is read as two words then.
  public func little(_ address: UInt64, count: Int) -> UInt64? {
    // Entries of page tables: one load instead of eight.
    if address & 7 == 0, count == 8 { return word(address) }
    var value: UInt64 = 0
    for index in 0..<UInt64(max(0, min(count, 8))) {
      guard let byte = byte(address &+ index) else { return nil }
      value |= UInt64(byte) << (index &* 8)
    }
    return value
  }

  /// Stores the low `count` bytes (at most 8) of `value`; false if one of them has no memory.
  public mutating func setLittle(_ address: UInt64, _ value: UInt64, count: Int) -> Bool {
    for index in 0..<UInt64(max(0, min(count, 8))) {
      let place = address &+ index
      guard let old = word(place & ~7) else { return false }
      let shift = (place & 7) &* 8
      let new = (old & ~(0xFF << shift)) | ((value >> (index &* 8)) & 0xFF) << shift
      guard setWord(place & ~7, new) else { return false }
    }
    return true
  }
}
