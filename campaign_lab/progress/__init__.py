"""Progress of what runs: a board is folded from events, and three front ends (terminal, cell, panel) draw what it shows."""
