// StateBlob: the TPM's state as a versioned, bounded and authenticated byte string.
import Crypto

extension TPMEngine {
  /// Marks a blob of this engine ("APUSTPM" and a zero).
  private static var magic: UInt64 { 0x4150_5553_5450_4D00 }
  /// The layout's version; a blob of another version is refused.
  private static var version: UInt16 { 2 }

  /// Persistent state, independent of the layout in memory: header, state, HMAC-SHA256 under `key`.
  ///
  /// The caller encrypts it if it leaves trusted memory. `generation` in it rises with every change, so
  /// that a caller with a trusted counter can refuse an old blob.
  public func stateBlob(key: borrowing Span<UInt8>) -> [UInt8] {
    var out = Writer()
    out.u64(Self.magic)
    out.u16(Self.version)
    out.u32(0)
    persistent.write(&out)
    out.patch32(10, UInt32(truncatingIfNeeded: out.count))
    let mac = HMAC.code(.sha256, key: key, out.bytes.span)
    out.raw(mac)
    return out.bytes
  }

  /// A TPM that goes on from a blob; nil if the blob is not whole, not of this version, not authentic or
  /// holds a value that this engine can't have written.
  public init?(blob: [UInt8], key: borrowing Span<UInt8>, entropy: borrowing Span<UInt8>) {
    guard blob.count >= 14 + 32, blob.count <= 1 &<< 20 else { return nil }
    let end = blob.count &- 32
    let mac = HMAC.code(.sha256, key: key, blob.span.extracting(0..<end))
    guard mac.matches(blob.span.extracting(end..<blob.count)) else { return nil }
    self.init(entropy: entropy)
    var reader = Reader(blob, from: 0, to: end)
    do throws(Stop) {
      guard try reader.u64() == Self.magic, try reader.u16() == Self.version, try reader.u32() == UInt32(end)
      else {
        return nil
      }
      persistent = try Persistent(&reader)
      try reader.expectEnd()
    } catch {
      return nil
    }
    needsStore = false
  }

  /// How many changes the state has seen.
  public var generation: UInt64 { persistent.generation }
}

// MARK: - Signals of the platform

extension TPMEngine {
  /// _TPM_Hash_Start: before Startup it begins the H-CRTM measurement, later a D-RTM one (locality 4).
  public mutating func hashStart() { volatile.hcrtm = Hasher(.sha256) }

  /// _TPM_Hash_Data.
  public mutating func hashData(_ bytes: [UInt8]) {
    volatile.hcrtm?.update(bytes.span)
  }

  /// _TPM_Hash_End: after Startup resets PCR 17 to 22 and extends 17; before, Startup extends PCR 0.
  public mutating func hashEnd() {
    guard volatile.isStarted, var hasher = volatile.hcrtm else { return }
    volatile.hcrtm = nil
    let digest = hasher.finalize()
    for bank in 0..<4 where persistent.activeBanks &>> UInt8(bank) & 1 == 1 {
      let hash = HashAlgorithm.banks[bank]
      for pcr in 17...22 { volatile.pcrs.set(bank, pcr, Digest(zeros: hash.digestSize)) }
      if hash == .sha256 { volatile.pcrs.extend(bank, 17, digest) }
    }
    volatile.pcrs.counter &+= 1
  }

  /// Whether a Startup and an orderly Shutdown lie behind: nothing to lose by cutting the power.
  public var isOrderly: Bool { persistent.orderly <= 1 }
  /// Whether a value that dictionary attack logic protects was used since the last Startup or Shutdown.
  package var hasUsedProtectedValue: Bool { persistent.wasDAUsed }
}
