"""The runs of a batch on a Dask cluster."""
