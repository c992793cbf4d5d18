// InspectCommand: `apus igvm inspect`.
import IGVM

extension Commands {
  static let igvmInspect = Command(
    name: "inspect", summary: "Shows every header of a file in order, and its memory layout.",
    usage: "apus igvm inspect FILE [--json]",
    options: [.init("--json", "print JSON")],
    details: """
      A file need not obey every rule to be shown, only be framed; `apus igvm verify` judges it.

      Examples:
        apus igvm inspect apus-snp.igvm
        apus igvm inspect apus-snp.igvm --json | jq '.headers[] | select(.type == "VP_CONTEXT")'
      """,
    run: { arguments throws(Failure) in
      let path = try arguments.operand("file")
      let bytes = try Files.read(path, what: "the file")
      let fixed: FixedHeader
      var headers: [LocatedHeader] = []
      do throws(Violation) {
        var reader = try HeaderReader(bytes.span)
        fixed = reader.fixed
        while let located = try reader.next(bytes.span) { headers.append(located) }
      } catch {
        throw Failure(error, in: path)
      }
      try Output.write(
        arguments.has("--json") ? Inspection.json(fixed, headers) : Inspection.text(fixed, headers))
      return 0
    })
}

/// The two forms of an inspection.
private enum Inspection {
  static func text(_ fixed: FixedHeader, _ headers: [LocatedHeader]) -> String {
    var rows = [["offset", "type", "mask", "fields"]]
    for located in headers {
      let header = located.header
      rows.append([
        Number.hex(UInt64(located.offset), width: 6), "\(header.type.name)",
        header.mask == .all ? "-" : Number.hex(UInt64(header.mask.rawValue)),
        header.fields.map { "\($0.name)=\($0.text)" }.joined(separator: " "),
      ])
    }
    let architecture = fixed.architecture == .x64 ? "X64" : "AARCH64"
    return """
      IGVM version \(fixed.version), \(architecture), \(fixed.totalFileSize) bytes, \
      \(headers.count) headers in \(fixed.variableHeaderSize) bytes at \
      \(Number.hex(UInt64(fixed.variableHeaderOffset))), checksum \(Number.hex(UInt64(fixed.checksum), width: 8))

      Headers
      \(TextTable.render(rows, indent: "  "))
      Memory
      \(MemoryMap(headers).text)
      """
  }

  static func json(_ fixed: FixedHeader, _ headers: [LocatedHeader]) -> String {
    let list = headers.map { located in
      JSONValue.object(
        [
          ("offset", .number(UInt64(located.offset))), ("type", .string("\(located.header.type.name)")),
          (
            "mask",
            located.header.mask == .all ? .null : .string(Number.hex(UInt64(located.header.mask.rawValue)))
          ),
        ] + located.header.fields.map { ($0.name, $0.value) })
    }
    return JSONValue.object([
      ("version", .number(UInt64(fixed.version))),
      ("architecture", .string(fixed.architecture == .x64 ? "X64" : "AARCH64")),
      ("bytes", .number(UInt64(fixed.totalFileSize))),
      ("checksum", .string(Number.hex(UInt64(fixed.checksum), width: 8))), ("headers", .array(list)),
      ("memory", MemoryMap(headers).json),
    ]).text
  }
}
