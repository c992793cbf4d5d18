# run: how boards/run starts the native board: QEMU's q35, TCG, PVH entry.

# Instructions from entry to idle: the counter's own ticks on one CPU (RDTSC under icount counts instructions), the
# plugin's marks on several; "null" if there is no plugin.
native_instructions() {
  if [ "$cpus" = 1 ]; then
    sed -n 's/.* cycles=\([0-9]*\).*/\1/p' "$qemu_files/idle"
  elif [ -s "$qemu_files/count" ]; then
    awk -F'"all":\\[' '/"name":"(entry|idle)"/ {
        n = split($2, parts, /[],]/); sum = 0
        for (i = 1; i <= n; i++) sum += parts[i]
        if ($0 ~ /"entry"/) entry = sum; else idle = sum
      } END { if (idle > entry) printf "%d", idle - entry; else printf "null" }' "$qemu_files/count"
  else
    printf null
  fi
}

# The plugin's arguments in `plugin`, if it can be had and is of use.
native_plugin() {
  plugin=()
  if [ "$cpus" = 1 ] || [ -z "$until" ] || [ ! -x ci/plugin/build ]; then return; fi
  local library entry idle
  library=$(ci/plugin/build 2>/dev/null) || return
  entry=$(symbol "$image" apus_pvh_entry)
  idle=$(symbol "$image" apus_idle_mark)
  if [ -z "$entry" ] || [ -z "$idle" ]; then return; fi
  plugin=(-plugin "$library,out=$qemu_files/count,at=entry:$entry,at=idle:$idle")
}

board_run() {
  local image code field machine=() words="$words" plugin
  need qemu-system-x86_64 qemu-system-x86
  image=$(boards/build native ${trace:+--trace}) || exit $?
  local accel=tcg
  # One thread is steadier when there are far more CPUs than the host has; every spin loop of ours pauses.
  if [ "$cpus" -gt 16 ]; then accel=tcg,thread=single; fi
  if [ "$cpus" = 1 ] && [ -n "$until" ]; then machine+=(-icount shift=0,align=off,sleep=off); fi
  if [ -n "$until" ]; then words="until=idle$words"; fi
  if [ -n "$trace" ]; then
    [ -n "$until" ] || die 2 "--trace needs --until idle: the kernel sends its trace when it ends"
    words="trace $words"
    # On one CPU the clock counts instructions: the limit of a run is then a number of those.
    if [ "$cpus" = 1 ]; then words="stall=250000 $words"; fi
  fi
  if [ -n "$gdb" ]; then
    machine+=(-S -gdb tcp:127.0.0.1:1234)
    echo "waiting for: gdb $image -ex 'target remote 127.0.0.1:1234' -ex 'hbreak apus_pvh_entry'" >&2
  fi
  native_plugin
  qemu_run "$image" "$timeout" -machine q35 -accel "$accel" -cpu max -smp "$cpus" -m "$memory" \
    "${machine[@]}" "${plugin[@]}" -kernel "$image" -append "$words"
  code=$?
  if [ -n "$trace" ]; then native_trace || { [ $code -ne 0 ] || code=1; }; fi
  if [ $code -eq 0 ] && [ -n "$until" ]; then native_json || code=4; fi
  exit $code
}

# Turns what the kernel sent between the trace markers into FILE.
native_trace() {
  if [ ! -s "$qemu_files/trace" ]; then
    echo "run: the kernel sent no trace" >&2
    return 1
  fi
  progress "converting the trace"
  if ! swift build -c release --product apus >"$qemu_files/tool" 2>&1; then
    cat "$qemu_files/tool" >&2
    return 1
  fi
  .build/release/apus trace export "$qemu_files/trace" -o "$trace"
}

# The last line: one JSON object.
native_json() {
  if [ ! -s "$qemu_files/idle" ]; then
    echo "run: the machine ended well but never said it was idle" >&2
    return 1
  fi
  local instructions
  instructions=$(native_instructions)
  sed "s/^apus-idle board=\([a-z]*\) cpus=\([0-9]*\) tasks=\([0-9]*\) cycles=[0-9]* image=\([0-9]*\) memory=\([0-9]*\)\$/{\"board\":\"\1\",\"cpus\":\2,\"tasks\":\3,\"instructions\":$instructions,\"image_bytes\":\4,\"memory_bytes\":\5}/" \
    "$qemu_files/idle"
}

native_measure() {
  local machine=() image
  image=$(boards/build native --bench ${level:+--$level}) || exit $?
  [ -z "$exact" ] || machine=(-icount shift=0,align=off,sleep=off)
  qemu_run "$image" "$timeout" -machine q35 -accel tcg -cpu max -smp "$cpus" -m "$memory" \
    "${machine[@]}" -kernel "$image" -append "$words"
}

board_bench() {
  need qemu-system-x86_64 qemu-system-x86
  bench_kernel native_measure
}
