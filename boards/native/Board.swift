// Board: the native board, plain x86-64 under QEMU.
import Machine

@main struct NativeBoard {
  static func main() { hello("Apus native\n") }
}
