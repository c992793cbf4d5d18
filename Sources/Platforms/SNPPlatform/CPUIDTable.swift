// CPUIDTable: CPUID from the page that the firmware has checked, and the few values that only the host has.
import Bits
import SNP
public import Seams
import X86

/// Why a CPUID page is refused.
public enum CPUIDTableError: Error, Equatable, Sendable {
  /// Not 1 to 64 entries.
  case count
  /// The leaf that names the encryption bit is missing, or says that this is no SNP machine.
  case noEncryption
}

/// The CPUID page in place, checked once (reference snp-svsm.md B.8).
///
/// A leaf that is not listed is answered with zeros, whatever the instruction would give.
public final class CPUIDTable<Hardware: SNPHardware, Memory: PhysicalMemory>: CPUIDSource {
  private let ghcb: GHCB<Hardware>
  private let memory: Memory
  private let page: PhysicalAddress
  /// Entries in the page.
  public let count: Int
  /// The number of the C-bit, 32 to 51.
  public let encryptionBit: UInt8

  /// The table at `page` of private memory.
  public init(_ ghcb: GHCB<Hardware>, _ memory: Memory, page: PhysicalAddress) throws(CPUIDTableError) {
    self.ghcb = ghcb
    self.memory = memory
    self.page = page
    let stated = memory.load(UInt32.self, at: page)
    guard stated >= 1, stated <= UInt32(CPUIDPage.maximumCount) else { throw .count }
    count = Int(stated)
    let limit = Self.find(memory, page, count, 0x8000_0000, 0)
    let leaf = Self.find(memory, page, count, 0x8000_001F, 0)
    // EAX: 1 SEV, 3 SEV-ES, 4 SNP (reference B.2); the sanity that Linux asks for, and SNP.
    guard let limit, limit.eax >= 0x8000_001F, let leaf, leaf.eax & 0b1_1010 == 0b1_1010 else {
      throw .noEncryption
    }
    let bit = UInt8(truncatingIfNeeded: leaf.ebx & 0x3F)
    guard bit >= 32, bit <= 51 else { throw .noEncryption }
    encryptionBit = bit
  }

  private typealias Words = (eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32)

  // Leaves whose answer depends on ECX; for the others the sub-leaf of the entry is ignored.
  private static func isIndexed(_ leaf: UInt32) -> Bool {
    switch leaf {
    case 4, 7, 0xB, 0xD, 0xF, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1D, 0x1E, 0x1F, 0x24, 0x8000_001D,
      0x8000_0020, 0x8000_0026:
      true
    default: false
    }
  }

  private static func find(
    _ memory: Memory, _ page: PhysicalAddress, _ count: Int, _ leaf: UInt32, _ subleaf: UInt32
  ) -> Words? {
    for index in 0..<count {
      let entry = page.advanced(
        by: UInt64(CPUIDPage.entriesOffset &+ CPUIDEntry.byteCount &* index))
      guard memory.load(UInt32.self, at: entry) == leaf else { continue }
      if isIndexed(leaf), memory.load(UInt32.self, at: entry.advanced(by: 4)) != subleaf { continue }
      if leaf == 0xD, subleaf < 2 {
        // Only the entry for x87 (and SSE) alone says how large the basic area is (reference B.8).
        let xcr0 = memory.load(UInt64.self, at: entry.advanced(by: 8))
        let xss = memory.load(UInt64.self, at: entry.advanced(by: 16))
        guard xcr0 == 1 || xcr0 == 3, xss == 0 else { continue }
      }
      return (
        memory.load(UInt32.self, at: entry.advanced(by: 0x18)),
        memory.load(UInt32.self, at: entry.advanced(by: 0x1C)),
        memory.load(UInt32.self, at: entry.advanced(by: 0x20)),
        memory.load(UInt32.self, at: entry.advanced(by: 0x24))
      )
    }
    return nil
  }

  /// The registers of a leaf: the table's, and for the CPU's own identifier the host's.
  public func cpuid(
    _ leaf: UInt32, _ subleaf: UInt32
  ) -> (eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32) {
    guard var words = Self.find(memory, page, count, leaf, subleaf) else { return (0, 0, 0, 0) }
    // The identifier addresses CPUs and decides nothing (reference B.8 "Fix-ups").
    if leaf == 1 { words.ebx = words.ebx & 0xFF_FFFF | host(1, register: 1) & 0xFF00_0000 }
    if leaf == 0xB { words.edx = host(0xB, register: 3) }
    return words
  }

  // A host that gives no answer ends the VM (B.4.1, set 1 code 5).
  private func host(_ leaf: UInt32, register: UInt8) -> UInt32 {
    let answer = ghcb.message(.cpuid(function: leaf, register: register))
    guard answer.code == .cpuidResponse else { ghcb.hardware.terminate(.hostCPUID) }
    return answer.upper
  }
}
