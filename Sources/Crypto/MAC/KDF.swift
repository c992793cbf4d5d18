// KDF: the two key derivation functions of TPM 2.0 Part 1 §11.4.10 (KDFa and KDFe).

/// Key derivation as TPM 2.0 defines it.
public enum KDF {
  private static func byteCount(_ bits: Int, _ out: borrowing MutableSpan<UInt8>) -> Int {
    min(out.count, max(0, (bits &+ 7) / 8))
  }

  // As much of the block as there is room for; wipes it.
  private static func append(
    _ block: consuming Digest, at done: inout Int, of total: Int, _ out: inout MutableSpan<UInt8>
  ) {
    let part = min(block.count, total &- done)
    for index in 0..<part { out[done &+ index] = block[index] }
    block.wipe()
    done &+= part
  }

  // Clears the top bits of a first byte that is not wanted whole.
  private static func cut(_ bits: Int, _ out: inout MutableSpan<UInt8>) {
    if bits & 7 != 0 && byteCount(bits, out) > 0 {
      out[0] &= UInt8(truncatingIfNeeded: (1 &<< (bits & 7)) &- 1)
    }
  }

  /// KDFa: SP 800-108 counter mode with HMAC; fills `out` with the leading ⌈bits/8⌉ bytes.
  ///
  /// The label's terminating zero is added here. If `bits` is no multiple of eight, the top bits of
  /// the first byte are cleared. `out` must hold ⌈bits/8⌉ bytes; any further bytes are left alone. With
  /// `skipped` blocks of a digest's size before it, `out` is what follows them.
  @inline(never)
  public static func a(
    _ algorithm: HashAlgorithm, key: borrowing Span<UInt8>, label: String, _ contextU: borrowing Span<UInt8>,
    _ contextV: borrowing Span<UInt8>, bits: Int, skipped: UInt32 = 0, into out: inout MutableSpan<UInt8>
  ) {
    let total = byteCount(bits, out)
    var counter = skipped
    var done = 0
    while done < total {
      counter &+= 1
      var mac = HMAC(algorithm, key: key)
      mac.update(big: counter)
      for byte in label.utf8 { mac.update(byte: byte) }
      mac.update(byte: 0)
      mac.update(contextU)
      mac.update(contextV)
      mac.update(big: UInt32(truncatingIfNeeded: bits))
      append(mac.finalize(), at: &done, of: total, &out)
    }
    cut(bits, &out)
  }

  /// KDFe: SP 800-56A one-step derivation with a hash, over the shared secret `z`.
  ///
  /// Same label, truncation and clearing rules as `a`.
  @inline(never)
  public static func e(
    _ algorithm: HashAlgorithm, z: borrowing Span<UInt8>, label: String, _ partyU: borrowing Span<UInt8>,
    _ partyV: borrowing Span<UInt8>, bits: Int, into out: inout MutableSpan<UInt8>
  ) {
    let total = byteCount(bits, out)
    var counter: UInt32 = 0
    var done = 0
    while done < total {
      counter &+= 1
      var hash = Hasher(algorithm)
      hash.update(big: counter)
      hash.update(z)
      for byte in label.utf8 { hash.update(byte: byte) }
      hash.update(byte: 0)
      hash.update(partyU)
      hash.update(partyV)
      append(hash.finalize(), at: &done, of: total, &out)
    }
    cut(bits, &out)
  }

  /// KDFa into a fixed byte string of ⌈bits/8⌉ bytes, at most 64.
  @inline(never)
  public static func a(
    _ algorithm: HashAlgorithm, key: borrowing Span<UInt8>, label: String, _ contextU: borrowing Span<UInt8>,
    _ contextV: borrowing Span<UInt8>, bits: Int
  ) -> Digest {
    var out = Digest(zeros: (bits &+ 7) / 8)
    var span = out.mutableSpan
    a(algorithm, key: key, label: label, contextU, contextV, bits: bits, into: &span)
    return out
  }

  /// KDFe into a fixed byte string of ⌈bits/8⌉ bytes, at most 64.
  @inline(never)
  public static func e(
    _ algorithm: HashAlgorithm, z: borrowing Span<UInt8>, label: String, _ partyU: borrowing Span<UInt8>,
    _ partyV: borrowing Span<UInt8>, bits: Int
  ) -> Digest {
    var out = Digest(zeros: (bits &+ 7) / 8)
    var span = out.mutableSpan
    e(algorithm, z: z, label: label, partyU, partyV, bits: bits, into: &span)
    return out
  }
}
