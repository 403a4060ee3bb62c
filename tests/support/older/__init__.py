"""Files of tests/data/older: how they were made, what was shown of them, and how today's version is held to it."""
