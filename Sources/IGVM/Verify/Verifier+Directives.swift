// Verifier+Directives: the rules on pages, parameters and memory (reference §7, §9).

extension Verifier {
  mutating func check(_ header: PageData, _ at: UInt64, _ report: (Violation) -> Void) {
    checkMask(header.mask, at, report)
    if header.gpa % PageData.pageSize != 0 { report(.init(.gpaUnaligned, at: at, header.gpa)) }
    if header.type.rawValue > PageDataType.cpuidXF.rawValue {
      report(.init(.pageDataType, at: at, UInt64(header.type.rawValue)))
    }
    if header.reserved != 0 { report(.init(.reservedNotZero, at: at, UInt64(header.reserved))) }
    if header.flags & PageData.is2MiB != 0 { report(.init(.page2MiB, at: at, header.gpa)) }
    if header.flags & ~7 != 0 { report(.init(.flagsReserved, at: at, UInt64(header.flags))) }
    checkData(header.fileOffset, PageData.pageSize, at, report)
    if header.type != .normal && header.type.rawValue <= PageDataType.cpuidXF.rawValue {
      let snp = platforms.first { $0.platform == .snp }?.mask ?? .none
      if !snp.contains(header.mask) { report(.init(.pageTypeNotSNP, at: at, UInt64(header.mask.rawValue))) }
    }
    if header.type == .secrets && header.fileOffset != 0 {
      report(.init(.secretsWithData, at: at, UInt64(header.fileOffset)))
    }
    book(header.gpa, PageData.pageSize, header.mask, at, report)
  }

  mutating func check(_ header: ParameterArea, _ at: UInt64, _ report: (Violation) -> Void) {
    if header.byteCount % PageData.pageSize != 0 { report(.init(.sizeUnaligned, at: at, header.byteCount)) }
    if header.byteCount == 0 { report(.init(.areaEmpty, at: at, UInt64(header.index))) }
    if header.byteCount > Self.maximumAreaSize { report(.init(.areaTooLarge, at: at, header.byteCount)) }
    checkData(header.fileOffset, header.byteCount, at, report)
    let place = areaPlace(header.index)
    if place < areas.count, areas[place].index == header.index {
      return report(.init(.areaRepeated, at: at, UInt64(header.index)))
    }
    guard areas.count < Self.maximumRegionCount else {
      return report(.init(.tooManyRegions, at: at, UInt64(Self.maximumRegionCount)))
    }
    areas.insert(.init(index: header.index, size: header.byteCount), at: place)
  }

  mutating func check(_ header: Parameter, _ at: UInt64, _ report: (Violation) -> Void) {
    guard let place = usableArea(header.areaIndex) else {
      return report(.init(.areaUnknown, at: at, UInt64(header.areaIndex)))
    }
    if UInt64(header.byteOffset) + header.minimumByteCount > areas[place].size {
      report(.init(.parameterBeyondArea, at: at, UInt64(header.byteOffset)))
    }
  }

  mutating func check(_ header: ParameterInsert, _ at: UInt64, _ report: (Violation) -> Void) {
    checkMask(header.mask, at, report)
    if header.gpa % PageData.pageSize != 0 { report(.init(.gpaUnaligned, at: at, header.gpa)) }
    guard let place = usableArea(header.areaIndex) else {
      return report(.init(.areaUnknown, at: at, UInt64(header.areaIndex)))
    }
    areas[place].isInserted = true
    let size = areas[place].size
    book(header.gpa, size, header.mask, at, report)
    let end = header.gpa.addingReportingOverflow(size)
    for region in regions where region.isPageTables && region.mask.intersects(header.mask) {
      if header.gpa < region.end && (end.overflow || region.start < end.partialValue) {
        report(.init(.insertInPageTables, at: at, header.gpa))
      }
    }
  }

  mutating func check(_ header: RequiredMemory, _ at: UInt64, _ report: (Violation) -> Void) {
    checkMask(header.mask, at, report)
    if header.gpa % PageData.pageSize != 0 { report(.init(.gpaUnaligned, at: at, header.gpa)) }
    if UInt64(header.byteCount) % PageData.pageSize != 0 {
      report(.init(.sizeUnaligned, at: at, UInt64(header.byteCount)))
    }
    if header.reserved != 0 { report(.init(.reservedNotZero, at: at, UInt64(header.reserved))) }
    if header.flags & ~1 != 0 { report(.init(.flagsReserved, at: at, UInt64(header.flags))) }
    if header.gpa.addingReportingOverflow(UInt64(header.byteCount)).overflow {
      report(.init(.gpaOverflow, at: at, header.gpa))
    }
  }

  mutating func check(_ header: ErrorRange, _ at: UInt64, _ report: (Violation) -> Void) {
    checkMask(header.mask, at, report)
    if header.gpa % PageData.pageSize != 0 { report(.init(.gpaUnaligned, at: at, header.gpa)) }
    book(header.gpa, UInt64(header.byteCount), header.mask, at, report)
  }

  mutating func check(_ header: SNPIDBlock, _ at: UInt64, _ report: (Violation) -> Void) {
    checkMask(header.mask, at, report)
    if idBlocks.intersects(header.mask) {
      report(.init(.idBlockRepeated, at: at, UInt64(header.mask.rawValue)))
    }
    idBlocks = idBlocks.union(header.mask)
    let reserved = header.word(at: SNPIDBlock.Offset.authorKeyEnabled) >> 8
    if reserved != 0 { report(.init(.reservedNotZero, at: at, UInt64(reserved))) }
  }

  /// Where the area `index` stands, or would stand, in the sorted list.
  private func areaPlace(_ index: UInt32) -> Int {
    var low = 0
    var high = areas.count
    while low < high {
      let middle = (low + high) / 2
      if areas[middle].index < index { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The place of the area `index` if it was declared and not yet inserted.
  private func usableArea(_ index: UInt32) -> Int? {
    let place = areaPlace(index)
    guard place < areas.count, areas[place].index == index, !areas[place].isInserted else { return nil }
    return place
  }
}
