"""JupyterLab and Chromium, and what is measured of a page."""
