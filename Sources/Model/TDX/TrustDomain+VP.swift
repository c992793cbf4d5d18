// TrustDomain+VP: the metadata leaves of the vCPU, with the L2 VMCS behind them.

import TDX

/// A field of the vCPU scope, decoded.
enum VPField: Equatable {
  case vcpuIndex
  case cpuidSupervisorVE
  case cpuidUserVE
  case l2Controls(Int)
  case tscDeadline(Int)
  case cpuidControl(Int)
  case msrBitmap(vm: Int, word: Int)
  case vmcs(vm: Int, VMCSEncoding, VMCSAccess)

  /// The field that `id` names on a TD with `l2Count` L2 virtual machines.
  ///
  /// Rule: tdx.md A.6, B.3: a VM beyond NUM_L2_VMS and odd encodings are FIELD_ID_INCORRECT.
  init?(_ id: FieldID, l2Count: Int) {
    guard id.isSingleElement else { return nil }
    let code = Int(id.code)
    switch (id.isNonArchitectural, id.classCode) {
    case (true, 0x20):
      switch code {
      case 2: self = .vcpuIndex
      case 7: self = .cpuidSupervisorVE
      case 8: self = .cpuidUserVE
      case 0x50...0x53: self = .l2Controls(code - 0x50)
      case 0x58...0x5B: self = .tscDeadline(code - 0x58)
      default: return nil
      }
    case (true, 0x21):
      guard code < 128 else { return nil }
      self = .cpuidControl(code)
    case (false, 0x24), (false, 0x2C), (false, 0x34):
      let vm = (Int(id.classCode) - 0x24) / 8 + 1
      guard vm <= l2Count, let raw = UInt16(exactly: code) else { return nil }
      let encoding = VMCSEncoding(rawValue: raw)
      guard let access = VMCSAccess(encoding) else { return nil }
      self = .vmcs(vm: vm, encoding, access)
    case (false, 0x25), (false, 0x2D), (false, 0x35):
      let vm = (Int(id.classCode) - 0x25) / 8 + 1
      guard vm <= l2Count, code < 512 else { return nil }
      self = .msrBitmap(vm: vm, word: code)
    default: return nil
    }
  }
}

extension TrustDomain {
  /// TDG.VP.RD: reads a field of the calling vCPU; RDX becomes the next readable field.
  ///
  /// Rule: tdx.md A.4 leaves 7 to 11, B.3.
  func vpRead(_ context: TDCallContext, _ registers: inout GeneralRegisters) -> TDXStatus {
    let id = FieldID(rawValue: registers.rdx)
    registers.r8 = 0
    guard registers.rcx == 0 else {
      registers.rdx = FieldID.none.rawValue
      return .operandInvalid.with(.rcx)
    }
    if id.isNull {
      registers.rdx = nextVPField(after: nil).rawValue
      return .firstFieldIDInContext
    }
    registers.rdx = FieldID.none.rawValue
    guard let field = VPField(id, l2Count: configuration.l2Count) else { return .fieldIDIncorrect }
    if case .vmcs(_, _, let access) = field, access.readMask == 0 { return .fieldNotReadable }
    registers.r8 = vpValue(context.vcpu, field)
    registers.rdx = nextVPField(after: id).rawValue
    return .success
  }

  private func vpValue(_ vcpu: Int, _ field: VPField) -> UInt64 {
    switch field {
    case .vcpuIndex: UInt64(vcpu)
    case .cpuidSupervisorVE: vcpus[vcpu].cpuidVE.supervisor ? 1 : 0
    case .cpuidUserVE: vcpus[vcpu].cpuidVE.user ? 1 : 0
    case .l2Controls(let vm):
      vm >= 1 && vm <= configuration.l2Count ? vcpus[vcpu].l2[vm - 1].controls : 0
    case .tscDeadline(let vm):
      vm >= 1 && vm <= configuration.l2Count ? vcpus[vcpu].l2[vm - 1].tscDeadline : .max
    case .cpuidControl(let index): UInt64(vcpus[vcpu].cpuidControl[index])
    case .msrBitmap(let vm, let word): vcpus[vcpu].l2[vm - 1].msrBitmap[word]
    case .vmcs(let vm, let encoding, let access):
      vcpus[vcpu].l2[vm - 1][encoding] & access.readMask
    }
  }

  /// The readable field after `id` in ascending order of class and code; the first after nil.
  private func nextVPField(after id: FieldID?) -> FieldID {
    guard let id, let field = VPField(id, l2Count: configuration.l2Count) else {
      return id == nil ? .vcpuIndex : .none
    }
    switch field {
    case .vcpuIndex: return .cpuidSupervisorVE
    case .cpuidSupervisorVE: return .cpuidUserVE
    case .cpuidUserVE: return .l2Controls
    case .l2Controls(let vm):
      return vm < 3 ? FieldID.l2Controls.advanced(by: vm + 1) : .tscDeadline
    case .tscDeadline(let vm):
      return vm < 3 ? FieldID.tscDeadline.advanced(by: vm + 1) : .cpuidControl
    case .cpuidControl(let index):
      return index < 127 ? FieldID.cpuidControl.advanced(by: index + 1) : firstVMCSField(vm: 1)
    case .vmcs(let vm, let encoding, _):
      return nextVMCSField(vm: vm, from: Int(encoding.rawValue) + 2) ?? .msrBitmap(vm: UInt8(vm))
    case .msrBitmap(let vm, let word):
      return word < 511
        ? FieldID.msrBitmap(vm: UInt8(vm)).advanced(by: word + 1) : firstVMCSField(vm: vm + 1)
    }
  }

  private func firstVMCSField(vm: Int) -> FieldID {
    guard vm <= configuration.l2Count else { return .none }
    return nextVMCSField(vm: vm, from: 0) ?? .none
  }

  private func nextVMCSField(vm: Int, from start: Int) -> FieldID? {
    for raw in stride(from: start, through: 0x6FFE, by: 2) {
      let encoding = VMCSEncoding(rawValue: UInt16(truncatingIfNeeded: raw))
      if let access = VMCSAccess(encoding), access.readMask != 0 {
        return .vmcs(vm: UInt8(vm), encoding: encoding.rawValue)
      }
    }
    return nil
  }

  /// TDG.VP.WR: writes a field of the calling vCPU under a mask; R8 becomes the old value.
  ///
  /// Rule: tdx.md A.4 leaves 7 to 11, A.6, B.2, B.3.
  mutating func vpWrite(
    _ context: TDCallContext, _ registers: inout GeneralRegisters
  ) -> TDXStatus {
    let id = FieldID(rawValue: registers.rdx)
    let value = registers.r8
    let mask = registers.r9
    registers.r8 = 0
    guard registers.rcx == 0 else { return .operandInvalid.with(.rcx) }
    guard let field = VPField(id, l2Count: configuration.l2Count) else { return .fieldIDIncorrect }
    let old = vpValue(context.vcpu, field)
    do {
      try store(context, field, old: old, value: value, mask: mask)
    } catch {
      switch error {
      case .status(let status): return status
      }
    }
    registers.r8 = old
    return .success
  }

  private mutating func store(
    _ context: TDCallContext, _ field: VPField, old: UInt64, value: UInt64, mask: UInt64
  ) throws(MetadataRefusal) {
    let vcpu = context.vcpu
    func merge(_ writable: UInt64, _ element: UInt64 = .max) throws(MetadataRefusal) -> UInt64 {
      try MetadataWrite.merge(
        old: old, value: value, mask: mask, writable: writable, element: element)
    }
    switch field {
    case .vcpuIndex: throw .status(.fieldNotWritable)
    case .cpuidSupervisorVE:
      vcpus[vcpu].cpuidVE.supervisor = try merge(0xFF, 0xFF) != 0
    case .cpuidUserVE: vcpus[vcpu].cpuidVE.user = try merge(0xFF, 0xFF) != 0
    case .l2Controls(let vm):
      let new = try merge(7)
      if vm >= 1, vm <= configuration.l2Count { vcpus[vcpu].l2[vm - 1].controls = new }
    case .tscDeadline(let vm):
      let new = try merge(.max)
      if vm >= 1, vm <= configuration.l2Count { vcpus[vcpu].l2[vm - 1].tscDeadline = new }
    case .cpuidControl(let index):
      vcpus[vcpu].cpuidControl[index] = UInt8(truncatingIfNeeded: try merge(3, 0xFF))
    case .msrBitmap(let vm, let word): vcpus[vcpu].l2[vm - 1].msrBitmap[word] = try merge(.max)
    case .vmcs(let vm, let encoding, let access):
      try storeVMCS(vcpu, vm, encoding, access, value: value, mask: mask)
    }
  }

  /// Writes an L2 VMCS field.
  ///
  /// Rule: tdx.md B.3: write masks; private addresses for 2012 and 2040; module-owned bits of CR0 and
  /// CR4 must equal their shadow, which the write masks say.
  private mutating func storeVMCS(
    _ vcpu: Int, _ vm: Int, _ encoding: VMCSEncoding, _ access: VMCSAccess, value: UInt64,
    mask: UInt64
  ) throws(MetadataRefusal) {
    let old = vcpus[vcpu].l2[vm - 1][encoding]
    let isAddress = encoding == .virtualAPICAddress || encoding == .hlatPointer
    let new = try MetadataWrite.merge(
      old: old, value: value, mask: mask, writable: access.writeMask, element: encoding.widthMask,
      isUnsetAddress: isAddress && old == .max)
    if isAddress, !configuration.isValidPrivate(new) { throw .status(.fieldValueNotValid) }
    vcpus[vcpu].l2[vm - 1][encoding] = new
  }
}
