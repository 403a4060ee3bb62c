"""The rehearsal endpoint: an embedded Messages API that answers by really reading what it is given."""
