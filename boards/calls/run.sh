# run: how boards/run starts the calls board: one CPU whose counter counts instructions.

board_run() { counted_run calls; }
