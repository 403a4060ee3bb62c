"""Notebooks as jobs: a template is run for each brief of a table, a folder or a list, on this machine or on a cluster.

A batch is a folder: it holds the executed notebooks, and the same batch begun again does only what is missing.
"""
