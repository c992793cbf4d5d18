// Header: what the kernel wrote into the image before it started the guest.
import GuestPort

/// The fields behind the entry (README.md).
struct Header {
  /// 1 for SEV-SNP, 2 for TD partitioning.
  var platform: UInt64 { guest_header(0x30) }
  /// The encryption bit as a mask; 0 where there is none.
  var encryptionMask: UInt64 { guest_header(0x38) }
  /// How many vCPUs the machine has, at most 64.
  var vcpuCount: Int { Int(truncatingIfNeeded: min(max(guest_header(0x40), 1), 64)) }
  /// The kernel's memory: first address and bytes.
  var kernelBase: UInt64 { guest_header(0x48) }
  var kernelByteCount: UInt64 { guest_header(0x50) }
  /// The end of the guest's memory below 4 GiB, bytes.
  var memoryEnd: UInt64 { guest_header(0x58) }
  /// The start-up vCPU's calling area.
  var callingArea: UInt64 { guest_header(0x60) }
  /// SNP: the guest's level.
  var level: UInt64 { guest_header(0x68) }
  /// SNP: SEV_FEATURES of the start-up vCPU.
  var features: UInt64 { guest_header(0x70) }

  var isSNP: Bool { platform == 1 }

  /// Whether the first vCPU's GHCB stands: the guest's own word.
  var isSetUp: Bool { guest_header(0xF8) != 0 }
  func noteSetUp() { guest_store(guest_entry_address() &+ 0xF8, 1) }

  /// The APIC identifier of a vCPU; its index if the kernel wrote none.
  func apicID(_ index: Int) -> UInt64 {
    let word = guest_header(0x200 &+ UInt64(index / 2 &* 8))
    let id = index & 1 == 0 ? word & 0xFFFF_FFFF : word >> 32
    return id == 0 ? UInt64(index) : id
  }

  private func byte(_ index: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: guest_header(0x100 &+ UInt64(index & ~7)) >> UInt64(index & 7 &* 8))
  }

  /// Where `word` ends in the command line, or nil.
  private func end(of word: String) -> Int? {
    let wanted = word.utf8Span.span
    var start = 0
    while start &+ wanted.count <= 255 {
      var length = 0
      while length < wanted.count, byte(start &+ length) == wanted[length] { length &+= 1 }
      if length == wanted.count { return start &+ length }
      start &+= 1
    }
    return nil
  }

  /// Whether the command line contains `word`.
  func asks(_ word: String) -> Bool { end(of: word) != nil }

  /// The decimal number behind `word` in the command line.
  func number(after word: String) -> UInt64? {
    guard var place = end(of: word) else { return nil }
    var value: UInt64 = 0
    while place < 255, byte(place) &- 0x30 < 10 {
      value = value &* 10 &+ UInt64(byte(place) &- 0x30)
      place &+= 1
    }
    return value
  }
}
