"""Panels that run something: phases of a session, or the notebooks of a batch."""
