"""The lab on a PostgreSQL server, with row-level security by role."""
