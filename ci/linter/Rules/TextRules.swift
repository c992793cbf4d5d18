// TextRules: what holds for the text of every file: taglines, sizes, no machine's paths.

/// Rules about files as texts.
public enum TextRules {
  /// The most lines of a file without the table marker.
  public static let maximumLines = 500
  /// In one of a file's first five lines, exempts a table from `file-size`.
  public static let tableMarker = "lint: table"
  private static let sources = ["swift", "c", "h", "S", "ld", "s"]

  /// All violations of the text rules.
  public static func check(_ file: SourceFile) -> [Violation] {
    tagline(file) + fileSize(file) + machinePaths(file)
  }

  /// tagline: the first line (of a script, the second) is a sentence that says what the file is.
  static func tagline(_ file: SourceFile) -> [Violation] {
    let isScript = file.lines.first?.hasPrefix("#!") == true
    guard isScript || sources.contains(file.suffix) else { return [] }
    let isManifest = file.lines.first?.hasPrefix("// swift-tools-version") == true
    let index = isScript || isManifest ? 1 : 0
    let line = index < file.lines.count ? file.lines[index] : ""
    var text = Substring(line)
    guard let mark = ["// ", "# ", "/* "].first(where: { line.hasPrefix($0) }) else {
      return [Violation("tagline", file.path, index + 1, "the first line must say what the file is")]
    }
    text = text.dropFirst(mark.count)
    if mark == "/* ", text.hasSuffix(" */") { text = text.dropLast(3) }
    guard text.hasSuffix("."), line.count <= 130 else {
      return [
        Violation(
          "tagline", file.path, index + 1, "the first line must be one sentence of at most 130 characters")
      ]
    }
    return []
  }

  /// file-size: 500 lines at most; tables are exempt by their marker.
  static func fileSize(_ file: SourceFile) -> [Violation] {
    let isScript = file.lines.first?.hasPrefix("#!") == true
    guard isScript || sources.contains(file.suffix) else { return [] }
    let count = file.lines.last == "" ? file.lines.count - 1 : file.lines.count
    guard count > maximumLines, !file.lines.prefix(5).contains(where: { $0.contains(tableMarker) }) else {
      return []
    }
    return [Violation("file-size", file.path, count, "\(count) lines; at most \(maximumLines)")]
  }

  /// machine-path: no file names a place on the machine where it was written.
  static func machinePaths(_ file: SourceFile) -> [Violation] {
    let roots = ["work", "root", "home", "opt"].map { "/\($0)/" } + ["/tmp/sl" + "ot"]
    var found: [Violation] = []
    for (number, line) in file.lines.enumerated() {
      for root in roots {
        var rest = line[...]
        while let range = rest.firstRange(of: root) {
          // After a letter, a bracket, a `$` and the like it is a part of a longer or a relative path, or of a URL.
          let before = range.lowerBound == line.startIndex ? " " : line[line.index(before: range.lowerBound)]
          if !(before.isLetter || before.isNumber || "_-.}/)$".contains(before)) {
            found.append(Violation("machine-path", file.path, number + 1, "names \(root)"))
          }
          rest = rest[range.upperBound...]
        }
      }
    }
    return found
  }
}
