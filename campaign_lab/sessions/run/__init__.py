"""A run, from what was asked for to what is stored: lookup, claim, preflight, attempt, write."""
