// TDMeasurements: MRTD and the run-time measurement registers.

import Crypto

/// A SHA-384 digest, 48 bytes.
public typealias MeasurementRegister = InlineArray<48, UInt8>

/// The measurement registers of a TD.
///
/// Rule: tdx.md D.7.
public struct TDMeasurements: Sendable {
  private var stream = SHA384()
  private var launch = Launch.open
  /// The four RTMRs, 48 bytes each, in order.
  private var registers = InlineArray<192, UInt8>(repeating: 0)

  /// "MEM.PAGE.ADD" in ASCII, padded to 16 bytes.
  private static let pageAdd: (UInt64, UInt64) = (0x4D45_4D2E_5041_4745, 0x2E41_4444_0000_0000)
  /// "MR.EXTEND" in ASCII, padded to 16 bytes.
  private static let extendName: (UInt64, UInt64) = (0x4D52_2E45_5854_454E, 0x4400_0000_0000_0000)

  private enum Launch {
    case open
    case closed(MeasurementRegister)
    case deferred(DeferredRegister)
  }

  /// Nothing measured yet.
  public init() {}

  /// Whether the launch is finalized.
  public var isFinal: Bool {
    if case .open = launch { return false }
    return true
  }

  /// MRTD; nil until the launch is finalized.
  public var mrtd: MeasurementRegister? {
    switch launch {
    case .open: nil
    case .closed(let register): register
    case .deferred(let register): register.value
    }
  }

  /// Takes a 128-byte block into MRTD: `name`, then the address, then zeros.
  private mutating func block(_ name: (UInt64, UInt64), _ address: UInt64) {
    var bytes = InlineArray<128, UInt8>(repeating: 0)
    for index in 0..<8 {
      bytes[index] = UInt8(truncatingIfNeeded: name.0 >> UInt64(56 - 8 * index))
      bytes[8 + index] = UInt8(truncatingIfNeeded: name.1 >> UInt64(56 - 8 * index))
    }
    for index in 0..<8 { bytes[16 + index] = UInt8(truncatingIfNeeded: address >> UInt64(8 * index)) }
    stream.update(bytes.span)
  }

  /// TDH.MEM.PAGE.ADD's contribution.
  mutating func addPage(_ page: GuestPage) { block(Self.pageAdd, page.address) }

  /// TDH.MR.EXTEND's contribution of one 256-byte chunk at `address`, which lies at `offset` of `page`.
  mutating func extend<Memory: PageMemory & ~Copyable>(
    _ address: UInt64, _ page: SystemPage, _ offset: Int, _ memory: borrowing Memory
  ) {
    block(Self.extendName, address)
    stream.update(page, from: offset, blocks: 2, memory)
  }

  /// TDH.MR.FINALIZE: closes MRTD; a second call changes nothing.
  mutating func finalize() {
    if !isFinal { launch = .closed(stream.finalize()) }
  }

  /// The same for a launch whose chain `register` computes when MRTD is first read.
  mutating func finalize(_ register: DeferredRegister) {
    if !isFinal { launch = .deferred(register) }
  }

  /// RTMR `index` (0 to 3); zero for others.
  public func rtmr(_ index: Int) -> MeasurementRegister {
    var digest = MeasurementRegister(repeating: 0)
    guard index >= 0, index < 4 else { return digest }
    for byte in 0..<48 { digest[byte] = registers[index * 48 + byte] }
    return digest
  }

  /// RTMR `index` becomes SHA-384(old value, data).
  mutating func extendRTMR(_ index: Int, _ data: borrowing Span<UInt8>) {
    guard index >= 0, index < 4 else { return }
    var hash = SHA384()
    let old = rtmr(index)
    hash.update(old.span)
    hash.update(data)
    let new = hash.finalize()
    for byte in 0..<48 { registers[index * 48 + byte] = new[byte] }
  }
}
