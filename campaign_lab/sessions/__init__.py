"""Sessions: handles that move along the tree of turns, run, replay and fork."""
