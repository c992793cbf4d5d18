// TrustDomain+VM: the metadata leaves of the TD and the system.

import TDX

/// A run of readable fields with consecutive codes.
struct FieldRun {
  var first: FieldID
  var count: Int
}

extension TrustDomain {
  /// The TD's readable fields, ascending by class and code (tdx.md A.6).
  private static var tdFields: InlineArray<18, FieldRun> {
    [
      FieldRun(first: .attributes, count: 1), FieldRun(first: .xfam, count: 1),
      FieldRun(first: .maxVCPUs, count: 1), FieldRun(first: .gpaw, count: 1),
      FieldRun(first: .tscFrequency, count: 1), FieldRun(first: .configFlags, count: 1),
      FieldRun(first: .tdControls, count: 1), FieldRun(first: .mrtd, count: 6),
      FieldRun(first: .mrConfigID, count: 6), FieldRun(first: .mrOwner, count: 6),
      FieldRun(first: .mrOwnerConfig, count: 6), FieldRun(first: .rtmr, count: 24),
      FieldRun(first: .tdUUID, count: 4), FieldRun(first: .numVCPUs, count: 1),
      FieldRun(first: .numL2VMs, count: 1), FieldRun(first: .notifyEnables, count: 1),
      FieldRun(first: .servtdHash, count: 6), FieldRun(first: .servtdNum, count: 1),
    ]
  }

  /// The system's readable fields (tdx.md A.6).
  private static var systemFields: InlineArray<7, FieldRun> {
    [
      FieldRun(first: .vendorID, count: 1), FieldRun(first: .minorVersion, count: 1),
      FieldRun(first: .majorVersion, count: 1), FieldRun(first: .sysAttributes, count: 1),
      FieldRun(first: .numTDXFeatures, count: 1), FieldRun(first: .tdxFeatures0, count: 1),
      FieldRun(first: .guestL2AttributeMask, count: 1),
    ]
  }

  /// TDX_FEATURES0 of this model: VP.RD/WR, CPUID-#VE control, partitioning, host-priority locks,
  /// PENDING_EPT_VIOLATION_V2, NO_RBP_MOD.
  public static let features0: UInt64 =
    1 << 3 | 1 << 5 | 1 << 7 | 1 << 10 | 1 << 16 | 1 << 18

  private static func next<let count: Int>(
    after field: FieldID, in runs: InlineArray<count, FieldRun>
  ) -> FieldID {
    var isFound = false
    for index in 0..<count {
      let run = runs[index]
      if isFound { return run.first }
      for offset in 0..<run.count where field.names(run.first.advanced(by: offset)) {
        if offset + 1 < run.count { return run.first.advanced(by: offset + 1) }
        isFound = true
      }
    }
    return .none
  }

  /// The word `element` of a digest, little-endian.
  private static func word(_ digest: MeasurementRegister, _ element: Int) -> UInt64 {
    var value: UInt64 = 0
    guard element >= 0, element < 6 else { return 0 }
    for byte in 0..<8 { value |= UInt64(digest[element * 8 + byte]) << UInt64(8 * byte) }
    return value
  }

  /// The value of a TD field; nil if the TD cannot name it.
  private func tdField(_ field: FieldID) -> UInt64? {
    let runs = Self.tdFields
    for index in runs.indices {
      let run = runs[index]
      for element in 0..<run.count where field.names(run.first.advanced(by: element)) {
        return tdValue(run.first, element)
      }
    }
    return nil
  }

  private func tdValue(_ first: FieldID, _ element: Int) -> UInt64 {
    switch first {
    case .attributes: configuration.attributes.rawValue
    case .xfam: configuration.xfam
    case .maxVCPUs: UInt64(configuration.maximumVCPUCount)
    case .gpaw: configuration.flags.rawValue & 1
    case .tscFrequency: UInt64(configuration.tscFrequency)
    case .configFlags: configuration.flags.rawValue
    case .tdControls: controls
    case .mrtd: measurements.mrtd.map { Self.word($0, element) } ?? 0
    case .rtmr: Self.word(measurements.rtmr(element / 6), element % 6)
    case .numVCPUs: UInt64(configuration.vcpuCount)
    case .numL2VMs: UInt64(configuration.l2Count)
    case .notifyEnables: notifyEnables
    default: 0
    }
  }

  /// TDG.VM.RD: reads a TD field; version 1 also answers the next readable field in RDX.
  ///
  /// Rule: tdx.md A.4 leaves 7 to 11, A.6; RCX must be 0, R8 is 0 on error.
  func vmRead(_ registers: inout GeneralRegisters, version: UInt8) -> TDXStatus {
    let field = FieldID(rawValue: registers.rdx)
    registers.r8 = 0
    guard registers.rcx == 0 else { return .operandInvalid.with(.rcx) }
    if version == 1, field.isNull {
      registers.rdx = Self.tdFields[0].first.rawValue
      return .firstFieldIDInContext
    }
    if version == 1 { registers.rdx = FieldID.none.rawValue }
    guard field.isSingleElement, let value = tdField(field) else { return .fieldIDIncorrect }
    registers.r8 = value
    if version == 1 { registers.rdx = Self.next(after: field, in: Self.tdFields).rawValue }
    return .success
  }

  /// TDG.VM.WR: writes a TD field under a mask; R8 becomes the old value.
  ///
  /// Rule: tdx.md A.4, A.6: only bit 0 of NOTIFY_ENABLES and of TD_CTLS can be written, the latter
  /// changed only with CONFIG_FLAGS.FLEXIBLE_PENDING_VE.
  mutating func vmWrite(_ registers: inout GeneralRegisters) -> TDXStatus {
    let field = FieldID(rawValue: registers.rdx)
    let value = registers.r8
    let mask = registers.r9
    registers.r8 = 0
    guard registers.rcx == 0 else { return .operandInvalid.with(.rcx) }
    guard field.isSingleElement, let old = tdField(field) else { return .fieldIDIncorrect }
    let isControls = field.names(.tdControls)
    guard isControls || field.names(.notifyEnables) else { return .fieldNotWritable }
    do {
      let new = try MetadataWrite.merge(
        old: old, value: value, mask: mask, writable: 1, element: .max)
      if isControls {
        guard new == old || configuration.flags.contains(.flexiblePendingVE) else {
          return .fieldValueNotValid
        }
        controls = new
      } else {
        notifyEnables = new
      }
    } catch {
      switch error {
      case .status(let status): return status
      }
    }
    registers.r8 = old
    return .success
  }

  private static func systemValue(_ field: FieldID) -> UInt64? {
    if field.names(.vendorID) { return 0x8086 }
    if field.names(.minorVersion) { return 5 }
    if field.names(.majorVersion) { return 1 }
    if field.names(.sysAttributes) { return 0 }
    if field.names(.numTDXFeatures) { return 1 }
    if field.names(.tdxFeatures0) { return features0 }
    if field.names(.guestL2AttributeMask) { return UInt64(GPAAttributes.settable.rawValue) }
    return nil
  }

  /// TDG.SYS.RD: reads a field of the system; RDX becomes the next readable field.
  ///
  /// Rule: tdx.md A.4 leaves 7 to 11; RCX is ignored.
  func sysRead(_ registers: inout GeneralRegisters) -> TDXStatus {
    let field = FieldID(rawValue: registers.rdx)
    registers.r8 = 0
    if field.isNull {
      registers.rdx = Self.systemFields[0].first.rawValue
      return .firstFieldIDInContext
    }
    registers.rdx = FieldID.none.rawValue
    guard field.isSingleElement, let value = Self.systemValue(field) else { return .fieldIDIncorrect }
    registers.r8 = value
    registers.rdx = Self.next(after: field, in: Self.systemFields).rawValue
    return .success
  }

  /// TDG.SYS.RDALL: fills a 4 KiB list page with all fields from R8 on; R8 becomes -1.
  ///
  /// Rule: tdx.md A.4 leaf 12. The page's format is not in the reference: the model writes pairs of
  /// identifier and value, zero-terminated (marked in README.md).
  mutating func sysReadAll<Memory: PageMemory & ~Copyable>(
    _ context: TDCallContext, _ registers: inout GeneralRegisters, _ memory: inout Memory
  ) throws(TDLeafEnd) -> TDXStatus {
    let address = registers.rdx
    guard address & 0xFFF == 0, configuration.isValidPrivate(address) else {
      registers.r8 = FieldID.none.rawValue
      return .operandInvalid.with(.rdx)
    }
    let page = try operandPage(context.vcpu, address, .write)
    var field = FieldID(rawValue: registers.r8)
    if field.isNull || registers.r8 == 0 { field = Self.systemFields[0].first }
    guard field.isSingleElement, Self.systemValue(field) != nil else {
      registers.r8 = FieldID.none.rawValue
      return .fieldIDIncorrect
    }
    memory.zero(page)
    var offset = 0
    while let value = Self.systemValue(field), offset < 4096 - 32 {
      memory.store(page, offset, field.rawValue)
      memory.store(page, offset + 8, value)
      offset += 16
      field = Self.next(after: field, in: Self.systemFields)
    }
    registers.r8 = FieldID.none.rawValue
    return .success
  }
}
