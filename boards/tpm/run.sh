# run: how boards/run starts the tpm board: one CPU whose counter counts instructions.

board_run() { counted_run tpm; }
