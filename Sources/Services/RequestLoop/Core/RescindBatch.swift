// RescindBatch: entries of a page list that lose their rights together, so that one flush serves them all.
import SVSMProtocol
import Seams
import X86

/// At most 64 entries, as the guest wrote them, and how far each has come.
struct RescindBatch {
  /// How far an entry has come.
  enum Kind: UInt8 {
    /// It was invalid already and may be.
    case skipped
    /// The guest's rights are gone.
    case revoked
    /// The pages are invalid, and not flushed yet.
    case invalidated
  }

  private var words = InlineArray<64, UInt64>(repeating: 0)
  private var kinds = InlineArray<64, Kind>(repeating: .skipped)
  private(set) var count = 0

  /// Whether some CPU may hold a translation of a page of the batch.
  private(set) var needsFlush = false

  /// One more entry; beyond 64, nothing.
  mutating func append(_ word: UInt64, _ kind: Kind) {
    guard count < 64 else { return }
    words[count] = word
    kinds[count] = kind
    if kind != .skipped { needsFlush = true }
    count &+= 1
  }

  /// Forgets the entries from `index` on.
  mutating func cut(_ index: Int) { count = min(count, max(0, index)) }

  func kind(_ index: Int) -> Kind { kinds[index] }
  mutating func setKind(_ index: Int, _ kind: Kind) { kinds[index] = kind }
  // The words were decoded before they came here.
  func address(_ index: Int) -> PhysicalAddress { PhysicalAddress(words[index] & ~0xFFF) }
  func size(_ index: Int) -> GuestPageSize { words[index] & 1 == 0 ? .small : .large }
  func ignoresCarry(_ index: Int) -> Bool { words[index] & 0b1000 != 0 }
}
