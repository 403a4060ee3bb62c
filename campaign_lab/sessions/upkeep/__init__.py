"""Who may do what, until when, and whether what is stored is whole."""
