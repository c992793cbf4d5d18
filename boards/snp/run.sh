# run: how boards/run starts the SNP board: as an SNP guest of the monitor, at VMPL0.
. boards/lib/monitor.sh

plugin=() host= guest= seed=1 count= exact=

board_help() {
  cat <<'TEXT'

The board snp:
  --guest NAME     with a guest at VMPL2: selftest (the statements of boards/guest), fuzz (random calls),
                   bench (figures, in instructions with --exact)
  --seed N         the fuzzer's seed (1)
  --count N        how many calls the fuzzer makes
  --exact          one CPU thread and a clock of instructions: every run executes the same ones
  --host WORDS     further words for the monitor's command line (hostile=NAME, seed=N, cbit=47|51, apic-ids=N,N,…, shared)
TEXT
}

board_option() {
  case $1 in
    --guest)
      value "$@"
      case $2 in selftest | fuzz | bench) guest=$2 ;; *) die 2 "--guest takes selftest, fuzz or bench, not '$2'" ;; esac
      taken=2
      ;;
    --seed) value "$@" && whole "$2" 1 999999999999 || die 2 "--seed takes a number, not '${2:-}'"; seed=$2; taken=2 ;;
    --count) value "$@" && whole "$2" 1 999999999 || die 2 "--count takes a number, not '${2:-}'"; count=$2; taken=2 ;;
    --exact) exact=1; taken=1 ;;
    --host) value "$@"; host="$host $2"; taken=2 ;;
  esac
}

board_run() {
  local code image=()
  if [ -n "$guest" ]; then
    [ -z "$until" ] || die 2 "--guest and --until are two ways to end: take one"
    [ "$timeout" -gt 0 ] || timeout=$((120 + 4 * cpus))
    image=(--guest-image "$(boards/build guest)") || exit $?
    words="$words -- $guest"
    if [ "$guest" = fuzz ]; then words="$words seed=$seed${count:+ count=$count}"; fi
  fi
  monitor_run snp snp "${image[@]}"
  code=$?
  if [ $code -eq 0 ] && [ -n "$until" ]; then monitor_json || code=4; fi
  exit $code
}
