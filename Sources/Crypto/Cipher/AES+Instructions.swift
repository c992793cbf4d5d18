// AES+Instructions: the key schedule and the blocks by the CPU's instructions, where the build has them.
#if APUS_CRYPTO_INSTRUCTIONS
  import CryptoInstructions

  extension AES {
    /// Puts the round keys of `key`, of 16 or 32 bytes, where the planes would be.
    mutating func expand(_ key: borrowing Span<UInt8>) {
      let is256 = key.count == 32
      let low = LittleEndian.vector(key, 0)
      let high = is256 ? LittleEndian.vector(key, 16) : SIMD2<UInt64>(repeating: 0)
      let made = apus_aes_expand(low, high, is256).keys
      func put(_ round: Int, _ key: SIMD2<UInt64>) {
        keys[2 &* round] = key[0]
        keys[2 &* round &+ 1] = key[1]
      }
      put(0, made.0)
      put(1, made.1)
      put(2, made.2)
      put(3, made.3)
      put(4, made.4)
      put(5, made.5)
      put(6, made.6)
      put(7, made.7)
      put(8, made.8)
      put(9, made.9)
      put(10, made.10)
      put(11, made.11)
      put(12, made.12)
      put(13, made.13)
      put(14, made.14)
    }

    private var schedule: apus_aes_schedule {
      @inline(__always) get {
        let keys = keys.span
        func key(_ round: Int) -> SIMD2<UInt64> { SIMD2(keys[2 &* round], keys[2 &* round &+ 1]) }
        return apus_aes_schedule(
          keys: (
            key(0), key(1), key(2), key(3), key(4), key(5), key(6), key(7), key(8), key(9), key(10), key(11),
            key(12), key(13), key(14)
          ))
      }
    }

    @inline(never)
    func instructed(_ block: inout InlineArray<16, UInt8>) {
      let out = apus_aes_encrypt(
        schedule, UInt32(truncatingIfNeeded: rounds), LittleEndian.vector(block.span, 0))
      LittleEndian.put(out, &block, 0)
    }

    @inline(never)
    func instructed(_ blocks: inout InlineArray<64, UInt8>, encrypting: Bool) {
      let four = apus_aes_blocks(
        blocks: (
          LittleEndian.vector(blocks.span, 0), LittleEndian.vector(blocks.span, 16),
          LittleEndian.vector(blocks.span, 32),
          LittleEndian.vector(blocks.span, 48)
        ))
      let rounds = UInt32(truncatingIfNeeded: rounds)
      let out =
        encrypting
        ? apus_aes_encrypt_four(schedule, rounds, four).blocks
        : apus_aes_decrypt_four(schedule, rounds, four).blocks
      LittleEndian.put(out.0, &blocks, 0)
      LittleEndian.put(out.1, &blocks, 16)
      LittleEndian.put(out.2, &blocks, 32)
      LittleEndian.put(out.3, &blocks, 48)
    }
  }
#else
  extension AES {
    var isInstructed: Bool { false }
    func expand(_ key: borrowing Span<UInt8>) {}
    func instructed(_ block: inout InlineArray<16, UInt8>) {}
    func instructed(_ blocks: inout InlineArray<64, UInt8>, encrypting: Bool) {}
  }
#endif
