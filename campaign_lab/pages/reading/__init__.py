"""Reading: the visible text of a page, and the facts that stand on it. Pure: no network, no clock."""
