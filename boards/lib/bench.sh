# bench: options of `boards/run BOARD --bench`, and from what a machine sent to table, JSON and SVG.
# A board that can measure defines board_bench.

# `measures` tells what builds an image that it is the measuring one, and `level` with which trace level.
measures= level= bench=0 bench_icount= bench_select= bench_samples= bench_processes=5 bench_probe=200 bench_out=.build/bench

# --icount belongs to a board that has the variable `icount`, else to --bench.
bench_flag() {
  case $1 in
    --bench) bench=1 ;;
    --icount) if [ -n "${icount+set}" ]; then icount=1; else bench_icount=1; fi ;;
  esac
}

bench_value() {
  case $1 in
    --metrics)
      local one mask=0
      for one in ${2//,/ }; do
        [[ $one =~ ^L(1[0-8]|[0-9])$ ]] || die 2 "there is no metric '$one': L0 to L18"
        mask=$((mask | 1 << ${one#L}))
      done
      [ "$mask" -gt 0 ] || die 2 "--metrics names none"
      # L14 is made of what L3 and L10 take with cold caches, L15 of L3 in other images.
      if ((mask >> 14 & 1)); then mask=$((mask | 1 << 3 | 1 << 10)); fi
      if ((mask >> 15 & 1)); then mask=$((mask | 1 << 3)); fi
      bench_select="select=$mask"
      ;;
    --samples) whole "$2" 1 100000000 || die 2 "--samples takes a whole number, not '$2'"; bench_samples=$((10#$2)) ;;
    --processes) whole "$2" 1 100 || die 2 "--processes takes 1 to 100, not '$2'"; bench_processes=$((10#$2)) ;;
    --probe-limit) whole "$2" 100 100000 || die 2 "--probe-limit takes 100 to 100000 percent, not '$2'"; bench_probe=$((10#$2)) ;;
    --out) bench_out=$2 ;;
  esac
}

# Before anything is built: whether what was asked for can be done.
bench_check() {
  if [ "$bench" = 0 ]; then
    [ -z "$bench_icount$bench_select$bench_samples" ] || die 2 "--icount, --metrics and --samples need --bench"
    return 0
  fi
  declare -F board_bench >/dev/null || die 2 "the board $board has no benchmark"
  [ -z "$until$trace$gdb" ] || die 2 "--bench goes with none of --until, --trace and --gdb"
  mkdir -p "$bench_out" 2>/dev/null && [ -d "$bench_out" ] && [ -w "$bench_out" ] ||
    die 2 "cannot write to '$bench_out'"
}

# bench_words SAMPLES SLOW COLD: the suite's options.
bench_words() { echo "samples=${bench_samples:-$1} slow=$2 cold=$3 $bench_select"; }

# bench_selects N: whether metric LN is to be measured.
bench_selects() { [ -z "$bench_select" ] || [ $((${bench_select#select=} >> $1 & 1)) = 1 ]; }

# The host tool, up to date.
bench_tool() {
  local tool=.build/tool
  progress "building the tool apus"
  if ! env -u APUS_BARE -u APUS_BENCH swift build -c release --product apus --scratch-path "$tool" >"$tool.log" 2>&1; then
    cat "$tool.log" >&2
    die 6 "the build of the tool apus failed"
  fi
  echo "$tool/release/apus"
}

# bench_record COUNTER FLAGS CONSOLE...: writes the files and prints the table; further options of `apus bench record` may follow.
bench_record() {
  local counter=$1 flags=$2 apus
  shift 2
  apus=$(bench_tool) || exit $?
  "$apus" bench record "$@" --board "$board" --out "$bench_out" --counter "$counter" --flags "$flags" \
    --commit "$(git describe --always --dirty 2>/dev/null || echo unknown)" \
    --toolchain "$(swift --version 2>/dev/null | head -n 1)" \
    --cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" || exit $?
}

# bench_kernel RUN: the suite on a kernel under QEMU. The function RUN runs the image built with --bench, with `words` on
# `cpus` CPUs, on a clock of instructions if `exact` is set: first so on one CPU; then, unless only those were asked for, on
# all, for TCG's own times.
#
# L15: the exact run of L3 in images with other trace levels. L10 of a guest: a board that serves one has the function
# bench_guest, which leaves the plugin's marks in $qemu_files/count.
bench_kernel() {
  local run=$1 own=$words all=$cpus options=()
  measures=1
  [ "$timeout" -gt 0 ] || timeout=900
  exact=1 cpus=1
  if bench_selects 15; then
    for level in counters trace; do
      words="exact probe-limit=101 samples=200 cold=0 select=8$own"
      "$run" || exit $?
      bench_keep "level-$level" --level
    done
    level=
  fi
  if bench_selects 10 && declare -F bench_guest >/dev/null; then
    words=$own
    bench_guest >"$qemu_files/said" || { local code=$?; cat "$qemu_files/said" >&2; exit "$code"; }
    rm -f "$qemu_files/console"
    mv "$qemu_files/count" "$qemu_files/calls"
    options+=(--calls "$qemu_files/calls")
  fi
  words="exact probe-limit=101 $(bench_words 1000 50 0)$own"
  "$run" || exit $?
  if [ -n "$bench_icount" ]; then
    bench_record tcg "icount shift=0; $words" "$qemu_files/latency" --name "$board-icount" "${options[@]}"
    exit 0
  fi
  bench_keep exact --exact
  # The least that an emulated counter shows is one tick, of which a percentage says nothing: the widest limit there is.
  exact= cpus=$all words="probe-limit=100000 $(bench_words 5000 500 0)$own"
  "$run" || exit $?
  bench_record tcg "tcg; $words" "$qemu_files/latency" "${options[@]}"
}

# bench_keep NAME OPTION: puts aside what a run sent, for an option of `apus bench record`; the console is free again.
bench_keep() {
  mv "$qemu_files/latency" "$qemu_files/$1"
  rm -f "$qemu_files/console"
  options+=("$2" "$qemu_files/$1")
}
