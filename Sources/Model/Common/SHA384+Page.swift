// SHA384+Page: blocks of a page in memory, taken into a hash.

import Crypto

extension SHA384 {
  /// Takes in `count` blocks of 128 bytes of `page`, from the byte `offset` on.
  ///
  /// By blocks, so that a hash of nothing but blocks buffers no byte.
  mutating func update<Memory: PageMemory & ~Copyable>(
    _ page: SystemPage, from offset: Int, blocks count: Int, _ memory: borrowing Memory
  ) {
    for block in 0..<count {
      var bytes = InlineArray<128, UInt8>(repeating: 0)
      for word in 0..<16 {
        let value = memory.load(page, offset &+ 128 &* block &+ 8 &* word)
        for byte in 0..<8 {
          bytes[8 &* word &+ byte] = UInt8(truncatingIfNeeded: value &>> UInt64(8 &* byte))
        }
      }
      update(bytes.span)
    }
  }
}
