// ImagePage: a page of an IGVM file on its way into the guest's memory.

import Model

enum ImagePage {
  /// Copies the 4096 bytes in `data` of `file` to `page`; what does not lie in the file is left out.
  ///
  /// The sizes are looked at once, not for each byte.
  static func copy<Memory: PageMemory & ~Copyable>(
    _ file: borrowing Span<UInt8>, _ data: Range<Int>, to page: SystemPage, _ memory: inout Memory
  ) {
    guard data.lowerBound >= 0, data.upperBound <= file.count else { return }
    let bytes = file.extracting(data)
    guard bytes.count == 4096 else { return }
    for word in 0..<512 {
      var value: UInt64 = 0
      for byte in 0..<8 { value |= UInt64(bytes[8 &* word &+ byte]) &<< UInt64(8 &* byte) }
      memory.store(page, 8 &* word, value)
    }
  }
}
