"""Does every sentence of an advertisement stand on the claims of its record? Word lists are data, one file per language."""
