"""Code that tests run in processes of their own, and groups of such processes."""
