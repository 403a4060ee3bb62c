"""What all commands share at the terminal: questions, progress, printing, streams and signals."""
