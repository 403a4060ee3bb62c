"""The report of a batch: a page, and a table of all copy variants."""
