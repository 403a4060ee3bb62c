"""Tables for comparing: stored rows as plain rows, and those as pandas frames with fixed columns."""
