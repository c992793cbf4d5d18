# run: how boards/run starts the calls board: one CPU whose counter counts instructions.

board_run() {
  local image
  need qemu-system-x86_64 qemu-system-x86
  image=$(boards/build calls) || exit $?
  qemu_run "$image" "${timeout:-120}" -machine q35 -accel tcg -cpu max -smp 1 -m "$memory" \
    -icount shift=0,align=off,sleep=off -kernel "$image" -append "$words"
  exit $?
}
