// ExtendedState: the values that an L2 may give XCR0.

/// What XFAM lets a guest turn on (reference tdx.md D.7; SDM 1, 13.3).
struct ExtendedState: Equatable, Sendable {
  /// The TD's XFAM.
  let xfam: UInt64

  /// The bits of XFAM that are XCR0's: x87, SSE, AVX, the three of AVX-512, PKRU, the two of AMX.
  private static var userStates: UInt64 { 0x6_02E7 }

  /// Whether XSETBV takes `value` for XCR0.
  func allows(_ value: UInt64) -> Bool {
    guard value & 1 != 0, value & ~(xfam & Self.userStates) == 0 else { return false }
    let wide = value & 0xE0
    let tiles = value & 0x6_0000
    // AVX needs SSE, AVX-512 all its parts and AVX, AMX both of its.
    if value & 4 != 0, value & 2 == 0 { return false }
    if wide != 0, wide != 0xE0 || value & 4 == 0 { return false }
    return tiles == 0 || tiles == 0x6_0000
  }
}
