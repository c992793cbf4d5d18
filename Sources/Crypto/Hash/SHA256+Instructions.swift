// SHA256+Instructions: one block by the CPU's instructions, where the build has them.
#if APUS_CRYPTO_INSTRUCTIONS
  import CryptoInstructions
#endif

extension SHA256 {
  /// Compresses a block of 64 bytes; only where `CPUInstructions.haveSHA`.
  @inline(__always)
  static func instructed(_ state: inout InlineArray<8, UInt32>, _ block: borrowing Span<UInt8>) {
    #if APUS_CRYPTO_INSTRUCTIONS
      guard block.count == 64 else { return }
      let next = apus_sha256_block(
        SIMD4(state[0], state[1], state[2], state[3]), SIMD4(state[4], state[5], state[6], state[7]),
        LittleEndian.vector(block, 0), LittleEndian.vector(block, 16), LittleEndian.vector(block, 32),
        LittleEndian.vector(block, 48))
      state = [
        next.low[0], next.low[1], next.low[2], next.low[3], next.high[0], next.high[1], next.high[2],
        next.high[3],
      ]
    #endif
  }
}
