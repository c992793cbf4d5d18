// VPContext: header 0x304, the start state of a virtual processor.
import Bits

/// VP_CONTEXT, 20 bytes and 4 of padding (reference §7).
///
/// Invalid for TDX.
public struct VPContext: Equatable, Sendable {
  /// Where the VMSA goes for SNP and SEV-ES, bytes; 0 otherwise.
  public var gpa: UInt64
  /// The platform: exactly one bit.
  public var mask: PlatformMask
  /// Where the 4096 bytes of state lie in the file.
  public var fileOffset: UInt32
  /// The virtual processor; 0 is the boot processor.
  public var vpIndex: UInt16
  /// Zero.
  public var reserved: UInt16

  /// A context; the builder fills in the file offset.
  public init(gpa: UInt64, mask: PlatformMask, vpIndex: UInt16 = 0) {
    self.gpa = gpa
    self.mask = mask
    fileOffset = 0
    self.vpIndex = vpIndex
    reserved = 0
  }

  init(_ reader: inout ByteReader, _ file: borrowing Span<UInt8>) throws(ByteError) {
    gpa = try reader.little(UInt64.self, file)
    mask = .init(try reader.little(UInt32.self, file))
    fileOffset = try reader.little(UInt32.self, file)
    vpIndex = try reader.little(UInt16.self, file)
    reserved = try reader.little(UInt16.self, file)
  }

  func encode(_ out: inout WireEncoder) {
    out.append(gpa)
    out.append(mask.rawValue)
    out.append(fileOffset)
    out.append(vpIndex)
    out.append(reserved)
  }
}
