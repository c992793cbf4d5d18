// Verifier+Initialization: the rules on platform and initialization headers (reference §5, §6).

extension Verifier {
  mutating func check(_ header: SupportedPlatform, _ at: UInt64, _ report: (Violation) -> Void) {
    let type = header.platform
    if !header.mask.isSingle { report(.init(.platformMask, at: at, UInt64(header.mask.rawValue))) }
    if header.highestVTL != 0 && header.highestVTL != 2 {
      report(.init(.platformVTL, at: at, UInt64(header.highestVTL)))
    }
    if type.rawValue > PlatformType.cca.rawValue {
      report(.init(.platformType, at: at, UInt64(type.rawValue)))
    }
    if header.version != 1 { report(.init(.platformVersion, at: at, UInt64(header.version))) }
    if (type == .native || type == .vsmIsolation) && header.sharedGPABoundary != 0 {
      report(.init(.platformBoundary, at: at, header.sharedGPABoundary))
    }
    let architecture: Architecture? = type == .vsmIsolation ? nil : type == .cca ? .aarch64 : .x64
    if let architecture, architecture != fixed.architecture {
      report(.init(.platformArchitecture, at: at, UInt64(type.rawValue)))
    }
    if declared.intersects(header.mask) {
      report(.init(.platformMaskRepeated, at: at, UInt64(header.mask.rawValue)))
    }
    declared = declared.union(header.mask)
    // A type comes once, so seven entries are all that a good file has; more would only slow look-ups down.
    if platforms.contains(where: { $0.platform == type }) {
      report(.init(.platformRepeated, at: at, UInt64(type.rawValue)))
    } else {
      platforms.append(header)
    }
  }

  mutating func check(_ header: GuestPolicy, _ at: UInt64, _ report: (Violation) -> Void) {
    checkMask(header.mask, at, report)
    if header.reserved != 0 { report(.init(.reservedNotZero, at: at, UInt64(header.reserved))) }
    if policies.intersects(header.mask) {
      report(.init(.policyRepeated, at: at, UInt64(header.mask.rawValue)))
    }
    policies = policies.union(header.mask)
  }

  mutating func check(_ header: RelocatableRegion, _ at: UInt64, _ report: (Violation) -> Void) {
    checkMask(header.mask, at, report)
    let page = PageData.pageSize
    if header.alignment == 0 || header.alignment % page != 0 {
      report(.init(.relocationAlignment, at: at, header.alignment))
    } else {
      for address in [header.gpa, header.minimumGPA, header.maximumGPA] where address % header.alignment != 0
      {
        report(.init(.relocationAlignment, at: at, address))
      }
    }
    if header.size % page != 0 { report(.init(.relocationAlignment, at: at, header.size)) }
    if header.flags & ~7 != 0 { report(.init(.flagsReserved, at: at, UInt64(header.flags))) }
    add(header.mask, header.gpa, header.size, false, header.vpIndex, header.vtl, at, report)
  }

  mutating func check(_ header: PageTableRelocationRegion, _ at: UInt64, _ report: (Violation) -> Void) {
    checkMask(header.mask, at, report)
    for field in [header.gpa, header.size, header.usedSize] where field % PageData.pageSize != 0 {
      report(.init(.relocationAlignment, at: at, field))
    }
    if header.reserved != 0 { report(.init(.reservedNotZero, at: at, UInt64(header.reserved))) }
    if header.usedSize > header.size { report(.init(.relocationUsedSize, at: at, header.usedSize)) }
    if regions.contains(where: { $0.isPageTables && $0.mask.intersects(header.mask) }) {
      report(.init(.relocationRepeated, at: at, UInt64(header.mask.rawValue)))
    }
    add(header.mask, header.gpa, header.size, true, header.vpIndex, header.vtl, at, report)
  }

  /// Keeps a relocation region, up to the limit, and compares it with those of the other kind.
  private mutating func add(
    _ mask: PlatformMask, _ gpa: UInt64, _ size: UInt64, _ isPageTables: Bool, _ vpIndex: UInt16,
    _ vtl: UInt8, _ at: UInt64, _ report: (Violation) -> Void
  ) {
    let (end, overflow) = gpa.addingReportingOverflow(size)
    guard !overflow else { return report(.init(.gpaOverflow, at: at, gpa)) }
    guard regions.count < Self.maximumRegionCount / 64 else {
      return report(.init(.tooManyRegions, at: at, UInt64(Self.maximumRegionCount / 64)))
    }
    for other in regions where other.isPageTables != isPageTables && other.mask.intersects(mask) {
      if gpa < other.end && other.start < end { report(.init(.relocationOverlap, at: at, gpa)) }
    }
    regions.append(
      .init(
        mask: mask, start: gpa, end: end, isPageTables: isPageTables, vpIndex: vpIndex, vtl: vtl, offset: at))
  }

  mutating func check(
    _ header: CoRIMBlob, isSignature: Bool, _ at: UInt64, _ report: (Violation) -> Void
  ) {
    checkMask(header.mask, at, report)
    if header.reserved != 0 { report(.init(.reservedNotZero, at: at, UInt64(header.reserved))) }
    checkData(header.fileOffset, UInt64(header.size), at, report)
    let isOutOfOrder =
      isSignature
      ? !corimDocuments.contains(header.mask) || corimSignatures.intersects(header.mask)
      : corimDocuments.intersects(header.mask)
    if isOutOfOrder { report(.init(.corimOrder, at: at, UInt64(header.mask.rawValue))) }
    if isSignature {
      corimSignatures = corimSignatures.union(header.mask)
    } else {
      corimDocuments = corimDocuments.union(header.mask)
    }
  }

  mutating func check(_ header: CCAPolicy, _ at: UInt64, _ report: (Violation) -> Void) {
    checkMask(header.mask, at, report)
    if header.reserved != 0 || header.tail != 0 { report(.init(.reservedNotZero, at: at, header.tail)) }
    let isMalformed =
      header.requiredZeroes & header.requiredOnes != 0 || header.hashAlgorithm > 2 || header.lfaPolicy > 1
    if isMalformed || platform(header.mask) != .cca {
      report(.init(.ccaMask, at: at, UInt64(header.mask.rawValue)))
    }
  }
}

extension Verifier.Region {
  /// Page-table regions hold a processor's CR3, so they always name one; a region that moves no register does not.
  var namesContext: Bool { isPageTables || vpIndex != 0 || vtl != 0 }
}
