"""What was spent and what may be: sums, receipts, budgets, estimates, and the prompt cache."""
