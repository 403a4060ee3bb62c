"""The Messages API of the rehearsal endpoint: requests, streams, models, and the accounting of its prompt cache."""
