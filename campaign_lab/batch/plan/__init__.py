"""Plans a batch: its briefs, its template, which runs are to be done, and what they will cost."""
