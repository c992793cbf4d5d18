// GuestFault: how an SNP access or instruction can end other than well.

import SNP

/// The end of an access or instruction that the architecture refuses.
public enum GuestFault: Error, Equatable, Sendable {
  /// #UD.
  case invalidOpcode
  /// #GP(0).
  case generalProtection
  /// #PF with this error code.
  case pageFault(errorCode: UInt32)
  /// #VC with error code 0x404: the page is private but not validated. CR2 takes the linear address.
  case notValidated
  /// A nested page fault with this EXITINFO1; the host sees it, not the guest.
  case nested(NestedFaultCode)
}
