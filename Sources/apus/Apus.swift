// Apus: the host tool's entry point: finds the command and turns failures into one line and a status.
import Foundation

@main
enum Apus {
  static func main() {
    let root = Command(
      name: "apus", summary: "Builds, checks and measures images of the Apus kernel.",
      usage: "apus COMMAND ...", subcommands: Commands.all)
    do throws(Failure) {
      exit(try root.dispatch(Array(CommandLine.arguments.dropFirst()), path: []))
    } catch {
      Output.error("\(error.command): \(error.cause); \(error.fix)")
      exit(error.status)
    }
  }
}
