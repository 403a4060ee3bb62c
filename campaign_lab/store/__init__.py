"""The lab file: everything that is kept, in one DuckDB file that many processes share.

``engine`` opens the file and passes it from process to process, ``schema`` says what is in it, ``tables`` holds
the queries, and ``transcripts`` is the SDK's SessionStore. This package imports neither DuckDB nor the SDK.
"""
