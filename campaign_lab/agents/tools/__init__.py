"""The two tools of every phase, and what stands behind them: the page reader and the intake of records."""
