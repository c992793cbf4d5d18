// apus-tpm: `serve` runs the TPM behind sockets with swtpm's command line, `info` prints capabilities.
import Foundation
import TPMServer

var arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == "info" {
  print(try TPMInfo.text())
  exit(0)
}
do {
  let options = try CommandLineOptions.parse(arguments)
  try TPMServer(options).run()
} catch {
  FileHandle.standardError.write(Data("apus tpm: \(error)\n".utf8))
  exit(2)
}
