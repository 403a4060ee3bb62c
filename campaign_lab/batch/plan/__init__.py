"""What a batch is going to do: its briefs, its template, which runs are new, and what they cost."""
