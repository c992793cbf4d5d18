// GuestRegion: a range of the guest's memory, in pages.

/// A range of guest-physical pages.
public struct GuestRegion: Equatable, Sendable {
  /// The number of the first 4 KiB page.
  public let firstPage: UInt64
  /// How many pages there are.
  public let pageCount: UInt64

  /// The pages from `firstPage` on.
  public init(firstPage: UInt64, pageCount: UInt64) {
    self.firstPage = firstPage
    self.pageCount = pageCount
  }

  /// The first chunk of 2 MiB that the range touches.
  var firstChunk: UInt64 { firstPage >> 9 }
  /// How many chunks it touches.
  var chunkCount: UInt64 {
    guard pageCount > 0 else { return 0 }
    return ((firstPage &+ pageCount &- 1) >> 9) &- firstChunk &+ 1
  }
}
