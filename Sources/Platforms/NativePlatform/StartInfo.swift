// StartInfo: decodes the PVH record (hvm_start_info) that the loader left in memory.
import Seams
import X86

/// The PVH start record; Xen's public header `arch-x86/hvm/start_info.h`, version 1.
public enum StartInfo {
  /// The first word.
  public static var magic: UInt32 { 0x336E_C578 }
  /// The most memory map entries that are looked at.
  public static var longestMap: UInt32 { 128 }

  // Byte offsets in the record.
  static var versionOffset: UInt64 { 4 }
  static var commandLineOffset: UInt64 { 24 }
  static var rootPointerOffset: UInt64 { 32 }
  static var memoryMapOffset: UInt64 { 40 }
  static var memoryMapEntriesOffset: UInt64 { 48 }
  // An entry: address, size, type (1 = RAM), reserved.
  static var entryBytes: UInt64 { 24 }

  /// Decodes the record at `address`.
  ///
  /// What it points to is read once; whatever makes no sense is left out.
  public static func decode(
    at address: PhysicalAddress, _ memory: some PhysicalMemory
  ) throws(BootInformationError) -> BootInformation {
    guard memory.load(UInt32.self, at: address) == magic else { throw .notRecognised }
    let version = memory.load(UInt32.self, at: address.advanced(by: versionOffset))
    guard version >= 1, version != .max else { throw .notRecognised }
    var information = BootInformation()

    let map = PhysicalAddress(memory.load(UInt64.self, at: address.advanced(by: memoryMapOffset)))
    let count = memory.load(UInt32.self, at: address.advanced(by: memoryMapEntriesOffset))
    guard count > 0, map.rawValue != 0, map < memory.limit else { throw .noMemoryMap }
    for index in 0..<min(count, longestMap) {
      let entry = map.advanced(by: UInt64(index) &* entryBytes)
      let start = PhysicalAddress(memory.load(UInt64.self, at: entry))
      let bytes = memory.load(UInt64.self, at: entry.advanced(by: 8))
      let kind = memory.load(UInt32.self, at: entry.advanced(by: 16))
      information.memory.add(MemoryRegion(start: start, bytes: bytes, kind: kind == 1 ? .usable : .reserved))
    }
    for _ in min(count, longestMap)..<max(count, longestMap) where count > longestMap {
      information.memory.add(nil)
      if information.memory.omitted >= 1000 { break }
    }

    let line = PhysicalAddress(memory.load(UInt64.self, at: address.advanced(by: commandLineOffset)))
    if line.rawValue != 0 {
      for index in 0...UInt64(CommandLine.capacity) {
        let byte = memory.load(UInt8.self, at: line.advanced(by: index))
        if byte == 0 || line.advanced(by: index) >= memory.limit { break }
        information.commandLine.append(byte)
      }
    }

    let root = memory.load(UInt64.self, at: address.advanced(by: rootPointerOffset))
    if root != 0, root < memory.limit.rawValue { information.rootPointer = PhysicalAddress(root) }
    return information
  }
}
