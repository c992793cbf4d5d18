# monitor: runs a board's image as a confidential guest of the monitor, under QEMU.

# monitor_words: sets `words`, the kernel's own command line, from --until, --trace and --append.
monitor_words() {
  if [ -n "$until" ]; then words="until=idle$words"; fi
  if [ -n "$trace" ]; then
    [ -n "$until" ] || die 2 "--trace needs --until idle: the kernel sends its trace when it ends"
    words="trace $words"
  fi
}

# monitor_run BOARD PLATFORM [BUILD-OPTIONS...]: builds both images, makes the IGVM file with the kernel's words in it and
# runs it on $cpus CPUs with $memory megabytes; returns qemu_run's code. `plugin` holds further arguments for QEMU,
# `host` words for the monitor. On one CPU the clock counts instructions, and the guest's stands still meanwhile.
monitor_run() {
  local board=$1 platform=$2 image monitor accel=tcg machine=() file=$qemu_files/apus.igvm size
  shift 2
  need qemu-system-x86_64 qemu-system-x86
  image=$(boards/build "$board" ${trace:+--trace} ${measures:+--bench}) || exit $?
  monitor=$(boards/build monitor) || exit $?
  monitor_words
  if ! .build/tool/release/apus igvm build --board "$board" --hypervisor monitor --elf "$image" --vcpus "$cpus" \
    --guest-memory "${memory}M" --append "$words" "$@" -o "$file" >"$qemu_files/build"; then
    die 2 "there is no IGVM file of $image"
  fi
  # The monitor's own memory, and the file, come on top of the guest's.
  size=$((memory + memory / 64 + 19 + $(stat -c %s "$file") / 1048576))
  if [ "$cpus" -gt 16 ] || [ -n "${exact:-}" ]; then accel=tcg,thread=single; fi
  if [ -n "${exact:-}" ] || { [ "$cpus" = 1 ] && [ -n "$until" ]; }; then machine+=(-icount shift=0,align=off,sleep=off); fi
  if [ -n "$gdb" ]; then
    machine+=(-S -gdb tcp:127.0.0.1:1234)
    echo "waiting for: gdb $image -ex 'target remote 127.0.0.1:1234'" >&2
  fi
  if declare -F board_plugin >/dev/null; then board_plugin "$image"; fi
  qemu_run "$image" "$timeout" -machine q35 -accel "$accel" -cpu max,phys-bits=48,la57=off -smp "$cpus" -m "$size" \
    "${machine[@]}" "${plugin[@]}" -kernel "$monitor" -initrd "$file" -append "$platform memory=$memory ${host:-}"
}

# monitor_json [INSTRUCTIONS BOOT-CPU]: the last line of a run --until idle, one JSON object. Without INSTRUCTIONS they are
# the guest's clock on one CPU, which counts nothing else, and null on several.
monitor_json() {
  local instructions=${1:-null} own=
  if [ ! -s "$qemu_files/idle" ]; then
    echo "run: the machine ended well but never said it was idle" >&2
    return 1
  fi
  if [ $# -ge 2 ]; then own=",\"boot_cpu_instructions\":$2"; fi
  if [ $# -eq 0 ] && [ "$cpus" = 1 ]; then instructions=$(sed -n 's/.* cycles=\([0-9]*\).*/\1/p' "$qemu_files/idle"); fi
  sed "s/^apus-idle board=\([a-z]*\) cpus=\([0-9]*\) tasks=\([0-9]*\) cycles=[0-9]* image=\([0-9]*\) memory=\([0-9]*\)\$/{\"board\":\"\1\",\"cpus\":\2,\"tasks\":\3,\"instructions\":$instructions$own,\"image_bytes\":\4,\"memory_bytes\":\5}/" \
    "$qemu_files/idle"
}
