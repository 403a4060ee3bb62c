"""Sessions on their way to another lab: as a file, or with the whole lab."""
