# qemu: runs one QEMU, shows its console, puts names to its backtraces and turns its end into an exit code.

qemu_pid=
qemu_files=

# Ends QEMU whatever happens to us, and waits for it.
qemu_reap() {
  if [ -n "$qemu_pid" ] && kill -0 "$qemu_pid" 2>/dev/null; then
    kill "$qemu_pid" 2>/dev/null
    wait "$qemu_pid" 2>/dev/null
  fi
  if [ -n "$qemu_files" ]; then rm -rf "$qemu_files"; fi
}

# name_address TOOL IMAGE ADDRESS: "function (file:line:column)" of the innermost inlined function that has each, after
# Swift's own word for a trap, if it is one.
name_address() {
  "$1" --obj="$2" --relativenames --inlines "$3" 2>/dev/null | awk -v root="$PWD/" '
    NF == 0 { next }
    !name { name = $0; next }
    {
      place = $0
      if (index(place, root) == 1) place = substr(place, length(root) + 1)
      if (name ~ /^Swift runtime failure/) reason = name ": "
      else if (!known && name != "??") known = name
      if (!where && place !~ /compiler-generated|^[?]/) where = " (" place ")"
      name = ""
    }
    END { print reason known where }' | swift demangle --simplified 2>/dev/null
}

# Reads the console: remembers the idle line, keeps the trace, names the addresses, passes on the rest.
qemu_console() {
  local image=$1 line tool address inTrace= inLatency=
  tool=$(toolchain llvm-symbolizer)
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    case $line in
      "apus-idle "*) echo "$line" >"$qemu_files/idle" ;;
      "-----BEGIN APUS TRACE-----") inTrace=1 && : >"$qemu_files/trace" ;;
      "-----END APUS TRACE-----") inTrace= ;;
      "  at 0x"* | "  in 0x"*)
        address=${line##* }
        # A return address belongs to the instruction before it.
        if [[ $line = "  at"* ]]; then printf -v address '0x%x' $((address - 1)); fi
        if [ -n "$tool" ]; then echo "$line $(name_address "$tool" "$image" "$address")"; else echo "$line"; fi
        ;;
      "-----BEGIN APUS LATENCY-----") inLatency=1 && echo "$line" >"$qemu_files/latency" ;;
      "-----END APUS LATENCY-----") inLatency= && echo "$line" >>"$qemu_files/latency" ;;
      "bench: "*) echo "$line" >&2 ;;
      *) if [ -n "$inLatency" ]; then echo "$line" >>"$qemu_files/latency"; elif [ -n "$inTrace" ]; then echo "$line" >>"$qemu_files/trace"; else echo "$line"; fi ;;
    esac
  done
}

# qemu_run IMAGE LIMIT ARGUMENTS...: LIMIT in seconds, 0 for none. Returns the exit code of design; $qemu_files holds
# what the console gave. Exit codes are those that `boards/run --help` lists.
qemu_run() {
  local image=$1 limit=$2 code started=$SECONDS timedOut=
  shift 2
  mkfifo "$qemu_files/console"
  qemu-system-x86_64 "$@" -display none -nodefaults -no-reboot -serial stdio \
    -device isa-debug-exit,iobase=0xf4,iosize=4 </dev/null >"$qemu_files/console" 2>"$qemu_files/errors" &
  qemu_pid=$!
  qemu_console "$image" <"$qemu_files/console" &
  local reader=$!
  while kill -0 "$qemu_pid" 2>/dev/null; do
    if [ "$limit" -gt 0 ] && [ $((SECONDS - started)) -ge "$limit" ]; then
      timedOut=1
      kill "$qemu_pid" 2>/dev/null
      break
    fi
    # `wait` with a signal returns at once; so does the end of QEMU, which ends the pause.
    qemu_pause
  done
  wait "$qemu_pid"
  code=$?
  qemu_pid=
  wait "$reader"
  if [ -n "$timedOut" ]; then
    echo "${0##*/}: not done after $limit s: stopped" >&2
    return 3
  fi
  case $code in
    33) return 0 ;;
    35) return 1 ;;
    37) return 4 ;;
    39) return 5 ;;
    41) return 2 ;;
    0) echo "${0##*/}: the machine was reset or switched off without a verdict" >&2 && return 4 ;;
    *) cat "$qemu_files/errors" >&2 && echo "${0##*/}: QEMU ended with code $code" >&2 && return 6 ;;
  esac
}

# A tenth of a second that a signal interrupts.
qemu_pause() {
  sleep 0.1 &
  wait $! 2>/dev/null
}

# counted_run BOARD: builds a measuring board of the native platform and runs it on one CPU whose counter counts instructions.
counted_run() {
  local image
  need qemu-system-x86_64 qemu-system-x86
  image=$(boards/build "$1") || exit $?
  qemu_run "$image" "${timeout:-120}" -machine q35 -accel tcg -cpu max -smp 1 -m "$memory" \
    -icount shift=0,align=off,sleep=off -kernel "$image" -append "$words"
  exit $?
}
