// Wipe: overwrites secrets so that the optimiser cannot drop the stores.

/// Overwriting of memory that held secrets.
///
/// The public functions are compiled without optimisation, so that no pass learns that their only
/// effect is on memory about to die; the loops they call are ordinary, fast functions.
public enum Wipe {
  /// Zeroes bytes.
  @_optimize(none) @inline(never)
  public static func bytes(_ bytes: inout MutableSpan<UInt8>) { clear(&bytes) }

  /// Zeroes 64-bit words.
  @_optimize(none) @inline(never)
  public static func words(_ words: inout MutableSpan<UInt64>) { clear(&words) }

  /// Zeroes 32-bit words.
  @_optimize(none) @inline(never)
  public static func words(_ words: inout MutableSpan<UInt32>) { clear(&words) }

  /// Zeroes an inline array of bytes.
  @inlinable
  public static func bytes<let count: Int>(_ array: inout InlineArray<count, UInt8>) {
    var span = array.mutableSpan
    bytes(&span)
  }

  /// Zeroes an inline array of 64-bit words.
  @inlinable
  public static func words<let count: Int>(_ array: inout InlineArray<count, UInt64>) {
    var span = array.mutableSpan
    words(&span)
  }

  /// Zeroes an inline array of 32-bit words.
  @inlinable
  public static func words<let count: Int>(_ array: inout InlineArray<count, UInt32>) {
    var span = array.mutableSpan
    words(&span)
  }

  @inline(never)
  static func clear(_ bytes: inout MutableSpan<UInt8>) {
    for index in bytes.indices { bytes[index] = 0 }
  }

  @inline(never)
  static func clear(_ words: inout MutableSpan<UInt64>) {
    for index in words.indices { words[index] = 0 }
  }

  @inline(never)
  static func clear(_ words: inout MutableSpan<UInt32>) {
    for index in words.indices { words[index] = 0 }
  }
}
