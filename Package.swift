// swift-tools-version: 6.2
// The rooms of Apus, what each may import, and the boards that compose them.
import PackageDescription

/// Set by `boards/build`: adds the rooms that exist only on bare metal (our own `_Concurrency`,
/// the assembly, the machine, the boards). Unset, a plain `swift build` sees the hosted rooms
/// and the toolchain's `_Concurrency`.
let isBare = Context.environment["APUS_BARE"] != nil

let strict: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]

/// A room: a library target that builds both on Linux and on bare metal.
func room(
  _ name: String, _ imports: [Target.Dependency] = [], path: String? = nil, settings: [SwiftSetting] = []
) -> Target {
  .target(name: name, dependencies: imports, path: path, swiftSettings: strict + settings)
}

/// For rooms whose own types hand out spans of themselves (`@_lifetime`).
let lifetimes: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

/// The hosted unit tests of one room.
func tests(of name: String, _ also: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: [.byName(name: name)] + also, swiftSettings: strict)
}

// One line per room; the arrows of ARCHITECTURE.md. `ci/lint` checks imports against this table.
let rooms: [Target] = [
  room("Bits"),
  room("Crypto", ["Bits"], settings: lifetimes),
  room("TPM", ["Crypto", "Bits"], settings: lifetimes),
]

let hostedOnly: [Target] = [
  tests(of: "Bits"),
  tests(of: "Crypto"),
  tests(of: "TPM", ["Crypto"]),
  .target(name: "TPMServer", dependencies: ["TPM"], swiftSettings: strict),
  .executableTarget(name: "apus-tpm", dependencies: ["TPMServer"], swiftSettings: strict),
  .executableTarget(name: "crypto-bench", dependencies: ["Crypto"], path: "ci/bench-crypto"),
]

let package = Package(name: "apus", targets: rooms + (isBare ? [] : hostedOnly))
