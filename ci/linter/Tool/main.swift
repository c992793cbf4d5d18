// main: runs every lint rule over the files named on standard input and the images named as arguments.
import Foundation
import Lint

// Arguments: --manifest FILE (twice: hosted and bare), --allow SYMBOL, --image NAME=DISASSEMBLY. Paths on standard input.
var arguments = CommandLine.arguments.dropFirst()
var targets: [ManifestTarget] = []
var allowed: Set<String> = []
var images: [(name: String, file: String)] = []
func fail(_ message: String) -> Never {
  print("apus-lint: \(message)")
  exit(2)
}
while let option = arguments.popFirst() {
  guard let value = arguments.popFirst() else { fail("\(option) needs a value") }
  switch option {
  case "--manifest":
    guard let data = FileManager.default.contents(atPath: value), let parsed = ManifestTarget.parse(data)
    else {
      fail("\(value) is no dumped manifest")
    }
    targets += parsed
  case "--allow": allowed.insert(value)
  case "--image":
    let parts = value.split(separator: "=", maxSplits: 1)
    guard parts.count == 2 else { fail("--image takes NAME=FILE") }
    images.append((String(parts[0]), String(parts[1])))
  default: fail("unknown option \(option)")
  }
}

var violations: [Violation] = []
var fileCount = 0
var unsafeCounts: [String: Int] = [:]
while let path = readLine() {
  guard let data = FileManager.default.contents(atPath: path), let text = String(data: data, encoding: .utf8)
  else {
    continue
  }
  let file = SourceFile(path: path, text: text)
  fileCount += 1
  violations += TextRules.check(file) + LanguageRules.check(file) + ImportRules.check(file, in: targets)
  if file.isUnder("Sources") || file.isUnder("boards") {
    let count = LanguageRules.unsafeCount(file)
    if count > 0 { unsafeCounts[file.room, default: 0] += count }
  }
}
if targets.isEmpty || fileCount == 0 { fail("no manifest or no file to look at") }
violations += ImportRules.check(manifest: targets)
for image in images {
  guard let data = FileManager.default.contents(atPath: image.file) else { fail("can't read \(image.file)") }
  let text = String(decoding: data, as: UTF8.self)
  violations += ImageRules.check(
    path: image.name, disassembly: text.split(separator: "\n", omittingEmptySubsequences: false),
    allowed: allowed)
}
var unique: [Violation] = []
for violation in violations where !unique.contains(violation) { unique.append(violation) }
for violation in unique { print(violation) }
let counts = unsafeCounts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
print("unsafe: " + (counts.isEmpty ? "none" : counts.joined(separator: ", ")))
print("lint: \(fileCount) files, \(images.count) images, \(unique.count) violations")
exit(unique.isEmpty ? 0 : 1)
