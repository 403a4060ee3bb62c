"""What the tests use: labs, stores, rows, servers and browsers. No test lies here, and nothing is imported from a conftest."""
