"""Where a lab is kept: its rows, in a DuckDB file that many processes share or on a team's PostgreSQL server."""
