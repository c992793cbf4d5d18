# run: how boards/run starts the SNP board: as an SNP guest of the monitor, at VMPL0.
. boards/lib/monitor.sh

plugin=() host=

board_help() {
  cat <<'TEXT'

The board snp:
  --host WORDS     further words for the monitor's command line (cbit=N, verbose)
TEXT
  monitor_hostile_help
}

board_option() {
  case $1 in
    --host) value "$@"; host="$host $2"; taken=2 ;;
    *) monitor_option "$@" ;;
  esac
}

board_run() {
  local code
  monitor_run snp snp
  code=$?
  if [ $code -eq 0 ] && [ -n "$until" ]; then monitor_json || code=4; fi
  exit $code
}

snp_measure() { monitor_run snp snp; }
board_bench() { bench_kernel snp_measure; }
