# run: how boards/run starts the bench board: one CPU whose counter counts instructions.

board_run() { counted_run bench; }
