"""Agents: the phases, their prompts and tools, and the one caller of the SDK."""
