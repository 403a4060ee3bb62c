"""The lab file: a DuckDB file that many processes share, one at a time."""
