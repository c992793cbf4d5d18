// LinuxPayload: a Linux kernel, its initrd and command line, as a guest to be started.

/// What `--kernel`, `--initrd` and `--cmdline` give.
public struct LinuxPayload: Equatable, Sendable {
  /// Where the command line goes without firmware, bytes.
  public static let commandLineGPA: UInt64 = 0x2_0000
  /// Where the bzImage goes, whole, without firmware, bytes.
  public static let kernelGPA: UInt64 = 0x200_0000
  /// The longest command line, bytes.
  public static let maximumCommandLine = 2047

  /// The bzImage, whole.
  public let kernel: [UInt8]
  /// The initial RAM disk; empty = none.
  public let initrd: [UInt8]
  /// The command line without its zero byte.
  public let commandLine: [UInt8]

  /// A payload; throws if the kernel is not a bzImage that has a 64-bit entry (Linux boot protocol 2.12).
  public init(kernel: [UInt8], initrd: [UInt8] = [], commandLine: [UInt8] = []) throws(ImageError) {
    guard commandLine.count <= Self.maximumCommandLine, !commandLine.contains(0) else {
      throw ImageError(
        .linux, "the command line has \(commandLine.count) bytes or a zero in it",
        fix: "keep it to \(Self.maximumCommandLine) bytes")
    }
    let header = try FieldReader(kernel, at: 0)
    let magic: UInt32? = try? header.field(0x202)
    let version: UInt16? = try? header.field(0x206)
    guard magic == 0x5372_6448, let version, version >= 0x20C else {
      throw ImageError(
        .linux, "the kernel is not a bzImage of boot protocol 2.12 or later", fix: "give a vmlinuz for x86-64"
      )
    }
    self.kernel = kernel
    self.initrd = initrd
    self.commandLine = commandLine
  }
}
