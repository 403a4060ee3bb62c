"""Tests of the HTML. A package, because what reads it and what is read stand in modules of their own."""
