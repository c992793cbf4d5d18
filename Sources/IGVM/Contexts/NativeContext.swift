// NativeContext: the start state of a processor without isolation (and of SEV).

/// The 232-byte native context, written at the start of a 4096-byte page (reference §8.2).
public struct NativeContext: Equatable, Sendable {
  /// The bytes that carry state; the rest of the page is zero.
  public static let byteCount = 232
  /// Where the two attribute words lie, bytes.
  static let attributeOffsets = [170, 182]

  /// A segment: selector, descriptor attributes (16-bit form), base and limit in bytes.
  public struct Segment: Equatable, Sendable {
    /// The selector.
    public var selector: UInt16
    /// Descriptor bits 55:40, with bits 11:8 zero.
    public var attributes: UInt16
    /// The base address.
    public var base: UInt32
    /// The limit.
    public var limit: UInt32

    /// A segment with all its fields.
    public init(selector: UInt16, attributes: UInt16, base: UInt32 = 0, limit: UInt32 = .max) {
      self.selector = selector
      self.attributes = attributes
      self.base = base
      self.limit = limit
    }
  }

  /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
  public var general = InlineArray<16, UInt64>(repeating: 0)
  /// The first instruction.
  public var rip: UInt64 = 0
  /// RFLAGS; bit 1 is always one.
  public var rflags: UInt64 = 2
  /// The interrupt descriptor table.
  public var idtr: (limit: UInt16, base: UInt64) = (0, 0)
  /// The global descriptor table.
  public var gdtr: (limit: UInt16, base: UInt64) = (0, 0)
  /// CS.
  public var code: Segment
  /// DS, ES, SS, FS and GS.
  public var data: Segment
  /// The base of GS.
  public var gsBase: UInt64 = 0
  /// CR0.
  public var cr0: UInt64
  /// CR3.
  public var cr3: UInt64
  /// CR4.
  public var cr4: UInt64
  /// EFER.
  public var efer: UInt64

  /// A context with its segments and control registers; the other registers start at zero.
  public init(code: Segment, data: Segment, cr0: UInt64, cr3: UInt64, cr4: UInt64, efer: UInt64) {
    self.code = code
    self.data = data
    self.cr0 = cr0
    self.cr3 = cr3
    self.cr4 = cr4
    self.efer = efer
  }

  /// Two contexts are the same if their bytes are.
  public static func == (lhs: Self, rhs: Self) -> Bool { lhs.encoded() == rhs.encoded() }

  /// The 4096 bytes of the page.
  public func encoded() -> [UInt8] {
    var out = WireEncoder()
    for index in general.indices { out.append(general[index]) }
    out.append(rip)
    out.append(rflags)
    out.append(idtr.base)
    out.append(idtr.limit)
    out.append(UInt32(0))
    out.append(gdtr.limit)
    out.append(gdtr.base)
    for segment in [code, data] {
      out.append(segment.selector)
      out.append(segment.attributes)
      out.append(segment.base)
      out.append(segment.limit)
    }
    for word in [gsBase, cr0, cr3, cr4, efer] { out.append(word) }
    out.bytes.append(contentsOf: repeatElement(0, count: 4096 - out.bytes.count))
    return out.bytes
  }
}
