# run: how boards/run starts the sim: a Linux process on a virtual clock, or threads on the real one.

seed= runs=1 threads= wakes=100000 drop=
board_option() {
  case $1 in
    --seed) whole "${2:-}" 0 999999999 || die 2 "--seed takes a whole number, not '${2:-}'"; seed=$2; taken=2 ;;
    --runs) whole "${2:-}" 1 100000000 || die 2 "--runs takes 1 to 100000000, not '${2:-}'"; runs=$2; taken=2 ;;
    --threads) whole "${2:-}" 1 64 || die 2 "--threads takes 1 to 64, not '${2:-}'"; threads=$((10#$2)); taken=2 ;;
    --wakes) whole "${2:-}" 1 999999999 || die 2 "--wakes takes a whole number, not '${2:-}'"; wakes=$((10#$2)); taken=2 ;;
    --drop-kicks) whole "${2:-}" 1 999999999 || die 2 "--drop-kicks takes a whole number, not '${2:-}'"; drop=$2; taken=2 ;;
  esac
}

board_help() {
  cat <<'TEXT'
The sim also takes:
  --seed N         the first seed; one is chosen and printed without it
  --runs N         how many seeds to run (1)
  --threads N      N pinned threads on the real clock instead of the virtual one, 1 to 64
  --wakes N        with --threads: how many messages wake a task on a thread drawn by lot (100000)
  --drop-kicks N   with --threads: every Nth kick of a halted thread is lost on purpose; the run must fail
Example: boards/run sim --seed 42 --trace sim.txt
TEXT
}

board_run() {
  local image code=0
  [ -z "$threads" ] || [ -z "$trace" ] || die 2 "--trace needs the virtual clock: leave out --threads"
  image=$(boards/build sim) || exit $?
  if [ -z "$seed" ]; then seed=$((RANDOM * 32768 + RANDOM)); fi
  echo "sim: seed $seed" >&2
  if [ -n "$threads" ]; then
    if [ "$timeout" = 0 ]; then timeout=$((60 + 2 * threads)); fi
    "$image" --threads "$threads" --wakes "$wakes" --limit "$timeout" --seed "$seed" ${drop:+--drop-kicks "$drop"} || code=$?
    exit $code
  fi
  if [ -n "$trace" ]; then
    "$image" --cpus "$cpus" --seed "$seed" --runs "$runs" --trace >"$trace" || code=$?
    tail -n 1 "$trace"
  else
    "$image" --cpus "$cpus" --seed "$seed" --runs "$runs" || code=$?
  fi
  exit $code
}

# Times of a real CPU, of the best of several processes, with single-stepped instruction counts; L3 of the images with
# counters and with the ring; and the peers of ci/peers in the same run.
board_bench() {
  local image one code=0 options=() words
  [ -z "$bench_icount" ] || die 2 "the sim is a process of this machine: --icount is for boards under QEMU"
  image=$(boards/build sim) || exit $?
  words="probe-limit=$bench_probe $(bench_words 100000 2000 1000)"
  for ((one = 1; one <= bench_processes; one++)); do
    progress "process $one of $bench_processes"
    "$image" --threads "${threads:-$cpus}" --limit 600 --suite latency --words "$words" |
      tee "$qemu_files/run$one" | grep --line-buffered '^bench: ' >&2
    code=${PIPESTATUS[0]}
    [ "$code" = 0 ] || { grep -v '^bench: ' "$qemu_files/run$one" | grep ' ' >&2; exit "$code"; }
  done
  for one in --counters --trace; do
    # Images of their own: built for L15 only.
    bench_selects 15 || break
    image=$(boards/build sim $one) || exit $?
    "$image" --threads 1 --suite latency --words "probe-limit=$bench_probe samples=${bench_samples:-100000} cold=0 select=8" >"$qemu_files/level$one" || exit $?
    options+=(--level "$qemu_files/level$one")
  done
  if [ -z "$bench_select" ]; then
    progress "measuring the peers"
    ci/peers/measure --json >"$qemu_files/peers" || exit $?
    options+=(--peers "$qemu_files/peers")
  fi
  bench_record hardware "Linux process, ${threads:-$cpus} threads; $words" "$qemu_files"/run* "${options[@]}"
}
