// Tests of page-table entries: bits as the SDM gives them, rights kept apart.
import Testing
import X86

@Suite struct PageTableEntryTests {
  @Test func leavesHaveTheBitsOfTheManual() {
    // SDM 3A, tables 4-17 (2 MiB) and 4-20 (4 KiB): P 0, R/W 1, PWT 3, PCD 4, A 5, D 6, PS 7, XD 63.
    let address = PhysicalAddress(0x1234_5000)
    #expect(PageTableEntry.leaf(address, size: .size4K, []).rawValue == 0x8000_0000_1234_5021)
    #expect(PageTableEntry.leaf(address, size: .size4K, .write).rawValue == 0x8000_0000_1234_5063)
    #expect(PageTableEntry.leaf(address, size: .size4K, .execute).rawValue == 0x0000_0000_1234_5021)
    #expect(PageTableEntry.leaf(address, size: .size4K, [.write, .device]).rawValue == 0x8000_0000_1234_507B)
    #expect(
      PageTableEntry.leaf(PhysicalAddress(0x20_0000), size: .size2M, .write).rawValue == 0x8000_0000_0020_00E3
    )
    #expect(PageTableEntry.table(address).rawValue == 0x1234_5023)
  }

  @Test func permissionsComeBackFromALeaf() {
    for permissions in [[], .write, .execute, [.write, .device]] as [PagePermissions] {
      let leaf = PageTableEntry.leaf(PhysicalAddress(0x5000), size: .size4K, permissions)
      #expect(leaf.permissions == permissions)
      #expect(leaf.address == PhysicalAddress(0x5000))
      #expect(leaf.isPresent)
    }
    #expect(!PageTableEntry.empty.isPresent)
  }

  @Test func onlyWriteWithExecuteBreaksWriteXorExecute() {
    #expect(PagePermissions([.write, .execute]).breaksWriteXorExecute)
    #expect(PagePermissions([.write, .execute, .device]).breaksWriteXorExecute)
    #expect(!PagePermissions.write.breaksWriteXorExecute)
    #expect(!PagePermissions.execute.breaksWriteXorExecute)
  }

  @Test func indicesSplitTheAddressNineBitsALevel() {
    let address = VirtualAddress(0x7F80_0020_A123)
    #expect(address.tableIndex(level: 4) == 255)
    #expect(address.tableIndex(level: 3) == 0)
    #expect(address.tableIndex(level: 2) == 1)
    #expect(address.tableIndex(level: 1) == 10)
  }

  @Test func canonicalAddressesHaveEqualTopBits() {
    #expect(VirtualAddress(0x7FFF_FFFF_FFFF).isCanonical)
    #expect(!VirtualAddress(0x8000_0000_0000).isCanonical)
    #expect(VirtualAddress(0xFFFF_8000_0000_0000).isCanonical)
    #expect(!VirtualAddress(0xFFFF_7FFF_FFFF_FFFF).isCanonical)
  }

  @Test func aPageSizeKnowsItsLevel() {
    #expect(PageSize.size4K.level == 1 && PageSize.size4K.bytes == 4096)
    #expect(PageSize.size2M.level == 2 && PageSize.size2M.bytes == 512 * 4096)
    #expect(PageSize.size1G.level == 3 && PageSize.size1G.bytes == 512 * 512 * 4096)
  }
}
