// LittleEndian: sixteen bytes as the vector that the CPU's instructions take them in.
#if APUS_CRYPTO_INSTRUCTIONS
  enum LittleEndian {
    /// The sixteen bytes at `offset`; the caller has checked that they are there.
    @inline(__always)
    static func vector(_ bytes: borrowing Span<UInt8>, _ offset: Int) -> SIMD2<UInt64> {
      SIMD2(word(bytes, offset), word(bytes, offset &+ 8))
    }

    @inline(__always)
    private static func word(_ bytes: borrowing Span<UInt8>, _ offset: Int) -> UInt64 {
      let low =
        UInt64(bytes[offset]) | UInt64(bytes[offset &+ 1]) &<< 8 | UInt64(bytes[offset &+ 2]) &<< 16
        | UInt64(bytes[offset &+ 3]) &<< 24
      let high =
        UInt64(bytes[offset &+ 4]) | UInt64(bytes[offset &+ 5]) &<< 8 | UInt64(bytes[offset &+ 6]) &<< 16
        | UInt64(bytes[offset &+ 7]) &<< 24
      return low | high &<< 32
    }

    /// Writes the sixteen bytes of `vector` at `offset`.
    @inline(__always)
    static func put<let count: Int>(
      _ vector: SIMD2<UInt64>, _ bytes: inout InlineArray<count, UInt8>, _ offset: Int
    ) {
      for index in 0..<16 {
        let shift = UInt64(truncatingIfNeeded: 8 &* (index & 7))
        bytes[offset &+ index] = UInt8(truncatingIfNeeded: vector[index &>> 3] &>> shift)
      }
    }
  }
#endif
