"""Panels in which a person writes or chooses: a brief, a checkpoint, a variant."""
