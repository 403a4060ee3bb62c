"""Servers on loopback that a test reads from: web sites, proxies and endpoints."""
