// LayoutAgreementTests: the format's VMSA offsets and page types are those of the room SNP.
import IGVM
import Measurement
import SNP
import Testing

@Suite struct LayoutAgreementTests {
  @Test("Fields of a start state lie where the architecture has them (APM volume 2, table B-4)")
  func fields() {
    #expect(VMSALayout.efer == VMSAField.efer)
    #expect(
      VMSALayout.cr0 == VMSAField.cr0 && VMSALayout.cr3 == VMSAField.cr3 && VMSALayout.cr4 == VMSAField.cr4)
    #expect(VMSALayout.rip == VMSAField.rip && VMSALayout.rsp == VMSAField.rsp)
    #expect(VMSALayout.sevFeatures == VMSAField.sevFeatures)
    #expect(VMSALayout.cs == VMSAField.cs && VMSALayout.tr == VMSAField.tr)
  }
}
