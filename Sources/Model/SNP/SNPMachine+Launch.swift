// SNPMachine+Launch: the host's calls to the firmware.

import SNP

extension SNPMachine {
  /// SNP_LAUNCH_UPDATE; see `SNPFirmware.update` for the rule.
  public mutating func launch<Memory: PageMemory & ~Copyable>(
    _ page: GuestPage, _ system: SystemPage, _ kind: LaunchPageKind,
    permissions: (RMPPermissions, RMPPermissions, RMPPermissions) = (.none, .none, .none),
    _ bytes: inout Memory
  ) -> FirmwareStatus {
    firmware.update(page, system, kind, permissions: permissions, &memory, &bytes)
  }

  /// SNP_LAUNCH_START; see `SNPFirmware.start` for the rule.
  public mutating func startLaunch(policy: UInt64) -> FirmwareStatus {
    firmware.start(policy: policy)
  }

  /// SNP_LAUNCH_FINISH; see `SNPFirmware.finish` for the rule.
  public mutating func finishLaunch(
    expected: MeasurementRegister? = nil, hostData: InlineArray<32, UInt8>
  ) -> FirmwareStatus {
    firmware.finish(expected: expected, hostData: hostData)
  }

  /// The certificate table that extended guest requests get.
  public mutating func setCertificates(_ table: [UInt8]) { firmware.certificates = table }

  /// Makes the host answer BUSY to the next guest request.
  public mutating func throttleNextMessage() { firmware.isBusy = true }
}
