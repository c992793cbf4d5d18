// SNPAccess: one memory access of an SNP guest, and what it needs.

import SNP

/// Who executes: the part of a CPU's state that the SNP checks look at.
public struct SNPCaller: Equatable, Sendable {
  /// The CPU, 0 to 63.
  public var cpu: Int
  /// The level of the running VMSA.
  public var vmpl: VMPL
  /// The current privilege level, 0 to 3.
  public var cpl: UInt8

  /// CPL 0 of `vmpl` on `cpu` unless said otherwise.
  public init(cpu: Int, vmpl: VMPL, cpl: UInt8 = 0) {
    self.cpu = cpu
    self.vmpl = vmpl
    self.cpl = cpl
  }
}

/// The kinds of access that the RMP tells apart (APM volume 2, table 15-39).
public enum SNPAccessKind: Equatable, Sendable {
  /// A data read with the C-bit as given.
  case read(encrypted: Bool)
  /// A data write with the C-bit as given.
  case write(encrypted: Bool)
  /// An instruction fetch, private whatever the C-bit.
  case fetch
  /// A walk of the guest's page tables, private whatever the C-bit; `writes` when A or D is set.
  case pageTableWalk(writes: Bool)

  /// Whether the RMP is consulted as for a private access.
  public var isPrivate: Bool {
    switch self {
    case .read(let encrypted), .write(let encrypted): encrypted
    case .fetch, .pageTableWalk: true
    }
  }

  /// The VMPL permissions that the access needs at `cpl`.
  public func needed(cpl: UInt8) -> RMPPermissions {
    switch self {
    case .read: .read
    case .write: [.read, .write]
    case .fetch: cpl == 3 ? .executeUser : .executeSupervisor
    case .pageTableWalk(let writes): writes ? [.read, .write] : .read
    }
  }

  /// The bits of EXITINFO1 that describe the access itself.
  public func faultCode(cpl: UInt8) -> NestedFaultCode {
    var code: NestedFaultCode = cpl == 3 ? .user : []
    switch self {
    case .read: code.insert(.finalAddress)
    case .write: code.formUnion([.finalAddress, .write])
    case .fetch: code.formUnion([.finalAddress, .fetch])
    case .pageTableWalk(let writes):
      code.insert(.pageTableWalk)
      if writes { code.insert(.write) }
    }
    if isPrivate { code.insert(.encrypted) }
    return code
  }
}
