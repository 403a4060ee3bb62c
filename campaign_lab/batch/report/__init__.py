"""What a batch leaves beside its notebooks: its page, its table, and the campaigns in it."""
