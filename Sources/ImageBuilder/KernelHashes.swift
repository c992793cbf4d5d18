// KernelHashes: the page by which OVMF checks kernel, initrd and command line against the launch digest.
import Crypto

/// The table of SHA-256 hashes that QEMU writes into the firmware's page (OVMF `QemuKernelLoaderFs`; QEMU
/// `target/i386/sev.c`, SevHashTable).
enum KernelHashes {
  /// The GUID of the table, and of its entries in order: command line, initrd, kernel.
  private static let table = FirmwareGUID(0x9438_D606, 0x4F22, 0x4CC9, 0xB479_A793_D411_FD21)
  private static let commandLine = FirmwareGUID(0x97D0_2DD8, 0xBD20, 0x4C94, 0xAA78_E771_4D36_AB2A)
  private static let initrd = FirmwareGUID(0x44BA_F731, 0x3A2F, 0x4BD7, 0x9AF1_41E2_9169_781D)
  private static let kernel = FirmwareGUID(0x4DE7_9437, 0xABD2, 0x427F, 0xB835_D5B1_72D2_045B)

  /// The bytes of the table without its padding.
  static let byteCount = 18 + 3 * 50

  /// The page with the table at `offset`; nil if it does not fit there.
  static func page(linux: LinuxPayload, offset: Int) -> [UInt8]? {
    let padded = (byteCount + 15) & ~15
    guard offset >= 0, offset <= 4096 - padded else { return nil }
    var bytes = [UInt8](repeating: 0, count: offset)
    append(table, byteCount, to: &bytes)
    for (guid, data) in [
      (commandLine, linux.commandLine + [0]), (initrd, linux.initrd), (kernel, linux.kernel),
    ] {
      append(guid, 50, to: &bytes)
      let hash = SHA256.hash(data.span)
      for index in hash.indices { bytes.append(hash[index]) }
    }
    bytes.append(contentsOf: repeatElement(0, count: 4096 - bytes.count))
    return bytes
  }

  private static func append(_ guid: FirmwareGUID, _ size: Int, to bytes: inout [UInt8]) {
    for index in guid.bytes.indices { bytes.append(guid.bytes[index]) }
    bytes.append(UInt8(truncatingIfNeeded: size))
    bytes.append(UInt8(truncatingIfNeeded: size >> 8))
  }
}
