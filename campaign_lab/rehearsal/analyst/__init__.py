"""The rehearsal reader: pages in, research records out, by extraction alone. Pure."""
