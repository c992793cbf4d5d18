// ELFImage: the loadable segments and entry points of a kernel's ELF file.
import Bits

/// A 64-bit x86 ELF executable, read with every offset checked (System V gABI, chapters 4 and 5).
public struct ELFImage: Equatable, Sendable {
  /// The most program headers that are read.
  public static let maximumSegmentCount = 64
  /// The most memory that one segment may take, bytes.
  public static let maximumSegmentSize: UInt64 = 1 << 30

  /// A PT_LOAD segment.
  public struct Segment: Equatable, Sendable {
    /// Where it is linked, bytes.
    public let virtualAddress: UInt64
    /// Where it is loaded: its physical address, bytes.
    public let gpa: UInt64
    /// How much memory it takes, bytes; what the file does not give is zero.
    public let byteCount: UInt64
    /// Its bytes in the file.
    public let data: ArraySlice<UInt8>
    /// Whether it may be written.
    public let isWritable: Bool
    /// Whether it may be executed.
    public let isExecutable: Bool
  }

  /// The entry point, a virtual address.
  public let entry: UInt64
  /// The 32-bit entry of the PVH note ("Xen", type 18), a physical address.
  public let pvhEntry: UInt64?
  /// The segments in file order.
  public let segments: [Segment]

  /// Reads `file`.
  public init(_ file: [UInt8]) throws(ImageError) {
    let header = try FieldReader(file, at: 0)
    let magic: UInt32 = try header.field(0)
    let classAndData: UInt16 = try header.field(4)
    guard magic == 0x464C_457F else {
      throw ImageError(.elf, "the kernel is not an ELF file", fix: "give the linked kernel with --elf")
    }
    let type: UInt16 = try header.field(0x10)
    let machine: UInt16 = try header.field(0x12)
    guard classAndData == 0x0102, machine == 0x3E, type == 2 else {
      throw ImageError(
        .elf, "the kernel is not a static 64-bit x86 executable (type \(type), machine \(machine))",
        fix: "link it for x86_64-unknown-none-elf without -pie")
    }
    entry = try header.field(0x18)
    let tableOffset: UInt64 = try header.field(0x20)
    let entrySize: UInt16 = try header.field(0x36)
    let count: UInt16 = try header.field(0x38)
    guard entrySize == 56, Int(count) <= Self.maximumSegmentCount else {
      throw ImageError(
        .elf, "the ELF file has \(count) program headers of \(entrySize) bytes",
        fix: "at most \(Self.maximumSegmentCount) headers of 56 bytes are read")
    }
    var segments: [Segment] = []
    var pvhEntry: UInt64?
    for index in 0..<UInt64(count) {
      let (start, overflow) = tableOffset.addingReportingOverflow(index * 56)
      guard !overflow, let place = Int(exactly: start) else { throw Self.truncated }
      let program = try FieldReader(file, at: place)
      let type: UInt32 = try program.field(0)
      switch type {
      case 1:
        if let segment = try Self.segment(program, file) { segments.append(segment) }
      case 4:
        let note = try Self.slice(file, offset: try program.field(8), count: try program.field(0x20))
        pvhEntry = Self.pvhEntry(note) ?? pvhEntry
      default: continue
      }
    }
    guard !segments.isEmpty else {
      throw ImageError(.elf, "the ELF file has nothing to load", fix: "link it with PT_LOAD segments")
    }
    self.segments = segments
    self.pvhEntry = pvhEntry
  }

  private static func segment(_ program: FieldReader, _ file: [UInt8]) throws(ImageError) -> Segment? {
    let flags: UInt32 = try program.field(4)
    let virtual: UInt64 = try program.field(0x10)
    let physical: UInt64 = try program.field(0x18)
    let fileSize: UInt64 = try program.field(0x20)
    let memorySize: UInt64 = try program.field(0x28)
    guard memorySize > 0 else { return nil }
    guard fileSize <= memorySize, memorySize <= maximumSegmentSize,
      !physical.addingReportingOverflow(memorySize + 4095).overflow
    else {
      throw ImageError(
        .elf, "the segment at \(hex(physical)) takes \(hex(memorySize)) bytes of memory",
        fix: "a segment takes at least its file size and at most 1 GiB")
    }
    guard physical % 4096 == 0, virtual % 4096 == 0 else {
      throw ImageError(
        .elf, "the segment at \(hex(physical)) does not start on a page",
        fix: "align each segment to 4096 in the linker script")
    }
    return Segment(
      virtualAddress: virtual, gpa: physical, byteCount: memorySize,
      data: try slice(file, offset: try program.field(8), count: fileSize), isWritable: flags & 2 != 0,
      isExecutable: flags & 1 != 0)
  }

  /// The address in the note named "Xen" of type 18.
  private static func pvhEntry(_ note: ArraySlice<UInt8>) -> UInt64? {
    let bytes = Array(note)
    var offset = 0
    while bytes.count - offset >= 12 {
      guard let reader = try? FieldReader(bytes, at: offset), let nameSize: UInt32 = try? reader.field(0),
        let size: UInt32 = try? reader.field(4), let type: UInt32 = try? reader.field(8)
      else { return nil }
      let nameEnd = offset + 12 + (Int(nameSize) + 3) & ~3
      let end = nameEnd + (Int(size) + 3) & ~3
      guard end <= bytes.count else { return nil }
      if type == 18, nameSize == 4, bytes[offset + 12..<offset + 16].elementsEqual([0x58, 0x65, 0x6E, 0]) {
        guard let value = try? FieldReader(bytes, at: nameEnd) else { return nil }
        if size == 8 { return try? value.field(0) }
        let short: UInt32? = try? value.field(0)
        return size >= 4 ? short.map(UInt64.init) : nil
      }
      offset = end
    }
    return nil
  }

  private static func slice(
    _ file: [UInt8], offset: UInt64, count: UInt64
  ) throws(ImageError) -> ArraySlice<UInt8> {
    let (end, overflow) = offset.addingReportingOverflow(count)
    guard !overflow, end <= UInt64(file.count) else { throw truncated }
    return file[Int(offset)..<Int(end)]
  }

  static var truncated: ImageError {
    ImageError(.elf, "the ELF file ends before its headers say", fix: "link the kernel again")
  }
}

/// Reads little-endian fields at offsets from a place in a file.
struct FieldReader {
  private let file: [UInt8]
  private let base: Int

  /// A reader at `base`; throws if that is outside the file.
  init(_ file: [UInt8], at base: Int) throws(ImageError) {
    guard base >= 0, base <= file.count else { throw ELFImage.truncated }
    self.file = file
    self.base = base
  }

  /// The integer at `offset` from the base.
  func field<T: FixedWidthInteger & UnsignedInteger>(_ offset: Int) throws(ImageError) -> T {
    var reader = ByteReader(from: base + offset, limit: file.count)
    do throws(ByteError) {
      return try reader.little(T.self, file.span)
    } catch {
      throw ELFImage.truncated
    }
  }
}
