// ImageBuilder: several boards in one file, each for its platform.
import IGVM

/// A board to build: its layout and its kernel.
public struct BoardInput: Sendable {
  /// The layout.
  public let layout: BoardLayout
  /// The kernel's ELF file.
  public let elf: ELFImage

  /// A board's input.
  public init(layout: BoardLayout, elf: ELFImage) {
    self.layout = layout
    self.elf = elf
  }
}

/// Builds images: from ELF files and layouts to the headers of an IGVM file.
public enum ImageBuilder {
  /// The image of one or several boards, each on another platform.
  ///
  /// The order is what every loader imports as it stands (reference §10 rule 7, §16.1): platforms, policies, required
  /// memory, parameter areas, parameters, inserts, then pages by address, processor contexts last.
  public static func image(_ boards: [BoardInput], _ options: BuildOptions) throws(ImageError) -> Image {
    guard !boards.isEmpty else {
      throw ImageError(.options, "no board is given", fix: "name a board directory")
    }
    var parts: [BoardImage] = []
    var mask = PlatformMask(1)
    var nextArea: UInt32 = 0
    for board in boards {
      if parts.contains(where: { $0.platform.platform == board.layout.platform }) {
        throw ImageError(
          .options, "two boards are for the platform \(board.layout.platform.name)",
          fix: "one file holds one image for each platform")
      }
      let part = try BoardImage(board.layout, board.elf, options, mask: mask, firstArea: nextArea)
      for record in part.directives {
        if case .parameterArea(let area) = record.header { nextArea = max(nextArea, area.index + 1) }
      }
      parts.append(part)
      mask = PlatformMask(mask.rawValue << 1)
    }
    var records = parts.map { ImageRecord(.supportedPlatform($0.platform)) }
    for part in parts { records += part.initialization }
    for part in parts { records += part.directives }
    for part in parts { records += part.pages }
    for part in parts { records += part.contexts }
    // The native processor context is defined from version 2 on (reference §2).
    let isNative = boards.contains { $0.layout.platform == .native }
    return Image(version: isNative ? 2 : 1, records: records)
  }
}
