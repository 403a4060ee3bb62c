"""What stored turns tell: their records, their path from the root, and what people think of the copy."""
