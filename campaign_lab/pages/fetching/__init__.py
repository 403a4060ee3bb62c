"""Fetching: which pages may be read, over which connection, and their bytes as text."""
