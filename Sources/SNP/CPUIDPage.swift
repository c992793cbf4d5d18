// CPUIDPage: the CPUID table that the firmware has checked.

import Bits

/// Layout of the CPUID page.
///
/// Source: AMD 56860 (reference snp-svsm.md B.8).
public enum CPUIDPage {
  /// Offset of the entry count, four bytes.
  public static let countOffset = 0
  /// Offset of the first entry.
  public static let entriesOffset = 16
  /// The most entries.
  public static let maximumCount = 64
}

/// One entry of the CPUID page, 48 bytes.
public struct CPUIDEntry: Equatable, Sendable {
  /// Size in bytes.
  public static let byteCount = 48
  /// The leaf.
  public var leaf: UInt32
  /// The sub-leaf.
  public var subleaf: UInt32
  /// XCR0_IN.
  public var xcr0: UInt64
  /// XSS_IN.
  public var xss: UInt64
  /// EAX.
  public var eax: UInt32
  /// EBX.
  public var ebx: UInt32
  /// ECX.
  public var ecx: UInt32
  /// EDX.
  public var edx: UInt32

  /// Reads an entry from the start of `bytes`; throws `outOfBounds` if 48 are not there.
  public init(_ bytes: borrowing Span<UInt8>) throws(ByteError) {
    var reader = ByteReader(limit: bytes.count)
    leaf = try reader.little(UInt32.self, bytes)
    subleaf = try reader.little(UInt32.self, bytes)
    xcr0 = try reader.little(UInt64.self, bytes)
    xss = try reader.little(UInt64.self, bytes)
    eax = try reader.little(UInt32.self, bytes)
    ebx = try reader.little(UInt32.self, bytes)
    ecx = try reader.little(UInt32.self, bytes)
    edx = try reader.little(UInt32.self, bytes)
    try reader.skip(8)
  }

  /// An entry for a leaf and sub-leaf.
  public init(
    leaf: UInt32, subleaf: UInt32 = 0, xcr0: UInt64 = 0, xss: UInt64 = 0,
    _ words: (eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32)
  ) {
    self.leaf = leaf
    self.subleaf = subleaf
    self.xcr0 = xcr0
    self.xss = xss
    (eax, ebx, ecx, edx) = words
  }

  /// Writes the entry; throws `outOfBounds` if the buffer is shorter than 48 bytes.
  public func encode(into bytes: inout MutableSpan<UInt8>) throws(ByteError) {
    var writer = ByteWriter(limit: bytes.count)
    try writer.little(leaf, &bytes)
    try writer.little(subleaf, &bytes)
    try writer.little(xcr0, &bytes)
    try writer.little(xss, &bytes)
    try writer.little(eax, &bytes)
    try writer.little(ebx, &bytes)
    try writer.little(ecx, &bytes)
    try writer.little(edx, &bytes)
    try writer.zeros(8, &bytes)
  }
}
