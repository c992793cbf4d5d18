# run: how boards/run starts the TDP board.
board_run() { die 77 "skipped: the monitor that runs a TD is not there yet"; }
