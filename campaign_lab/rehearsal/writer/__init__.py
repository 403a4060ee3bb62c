"""The rehearsal writer: angles and copy out of claims of the research. Pure."""
