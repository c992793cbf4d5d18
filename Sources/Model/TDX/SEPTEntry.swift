// SEPTEntry: one entry of a secure EPT.

import Bits
import TDX

/// A leaf or table entry, packed into 8 bytes: state, progress of a 2 MiB accept, system page.
public struct SEPTEntry: Equatable, Sendable {
  private var word: UInt64 = 0

  /// An entry in state FREE.
  public init() {}

  /// A leaf in `state` that leads to `page`.
  public init(_ state: SEPTState, _ page: SystemPage) {
    word = UInt64(state.rawValue) | page.rawValue << 21
  }

  private static let stateField = BitField(0...7)
  private static let progressField = BitField(8...17)
  private static let lockField = BitField(18)
  private static let pageField = BitField(21...63)

  /// The state.
  public var state: SEPTState {
    get { SEPTState(rawValue: UInt8(truncatingIfNeeded: word)) }
    set { word = Self.stateField.setting(UInt64(newValue.rawValue), in: word) }
  }
  /// How many 4 KiB pages of a pending 2 MiB leaf are cleared.
  public var progress: UInt64 {
    get { Self.progressField.get(word) }
    set { word = Self.progressField.setting(newValue, in: word) }
  }
  /// Whether the host holds the entry's lock.
  public var isLockedByHost: Bool {
    get { word.bit(18) }
    set { word = Self.lockField.setting(newValue ? 1 : 0, in: word) }
  }
  /// The system page of a leaf.
  public var page: SystemPage { SystemPage(rawValue: Self.pageField.get(word)) }
}

/// Where a walk of the secure EPT ended.
public struct SEPTWalk: Equatable, Sendable {
  /// The level of the last entry: 0 for 4 KiB, 1 for 2 MiB, 2 for anything above.
  public var level: UInt8
  /// That entry.
  public var entry: SEPTEntry

  /// Whether the entry is a leaf, present or not, rather than a table.
  public var isLeaf: Bool { !entry.state.isTable && entry.state != .free }
}
