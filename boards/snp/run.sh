# run: boards/run snp needs the monitor, which loads the IGVM file as a host would.

board_run() {
  die 77 "skipped: the monitor can't run the SNP board yet"
}
