"""Tests in a real browser. A package, so that the browser and JupyterLab live as long as these tests and no longer."""
