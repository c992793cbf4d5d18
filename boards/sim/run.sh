# run: how boards/run starts the sim: a Linux process on a virtual clock.

seed= runs=1
board_option() {
  case $1 in
    --seed) whole "${2:-}" 0 999999999 || die 2 "--seed takes a whole number, not '${2:-}'"; seed=$2; taken=2 ;;
    --runs) whole "${2:-}" 1 100000000 || die 2 "--runs takes 1 to 100000000, not '${2:-}'"; runs=$2; taken=2 ;;
  esac
}

board_help() {
  cat <<'TEXT'
The sim also takes:
  --seed N         the first seed; one is chosen and printed without it
  --runs N         how many seeds to run (1)
Example: boards/run sim --seed 42 --trace sim.txt
TEXT
}

board_run() {
  local image code=0 trace_option=()
  image=$(boards/build sim) || exit $?
  if [ -z "$seed" ]; then seed=$((RANDOM * 32768 + RANDOM)); fi
  echo "sim: seed $seed" >&2
  if [ -n "$trace" ]; then
    "$image" --cpus "$cpus" --seed "$seed" --runs "$runs" --trace >"$trace" || code=$?
    tail -n 1 "$trace"
  else
    "$image" --cpus "$cpus" --seed "$seed" --runs "$runs" || code=$?
  fi
  exit $code
}
