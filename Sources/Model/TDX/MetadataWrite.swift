// MetadataWrite: the rule by which a masked write changes a metadata field.

import TDX

/// The write algorithm of TDG.VM.WR and TDG.VP.WR.
enum MetadataWrite {
  /// The new value of a field, or the status that refuses it.
  ///
  /// Rule: tdx.md A.4, leaves 7 to 10: m = writable & mask; none is FIELD_NOT_WRITABLE; a selected
  /// bit that is not writable and would change is FIELD_VALUE_NOT_VALID. If m covers the element, or
  /// the field is an address never written, the old unwritable bits count as 0.
  static func merge(
    old: UInt64, value: UInt64, mask: UInt64, writable: UInt64, element: UInt64,
    isUnsetAddress: Bool = false
  ) throws(MetadataRefusal) -> UInt64 {
    let changed = writable & mask
    guard changed != 0 else { throw .status(.fieldNotWritable) }
    let compared = changed == element || isUnsetAddress ? 0 : old
    guard (value ^ compared) & mask & ~writable == 0 else { throw .status(.fieldValueNotValid) }
    let base = isUnsetAddress ? 0 : old
    return ((base & ~changed) | (value & changed)) & element
  }

  /// All ones of an element of `size` (0 to 3 for 1, 2, 4 and 8 bytes).
  static func elementMask(size: UInt8) -> UInt64 {
    size >= 3 ? .max : (1 << (UInt64(8) << UInt64(size))) &- 1
  }
}

/// Why a metadata access is refused.
enum MetadataRefusal: Error, Equatable {
  case status(TDXStatus)
}
