"""Physics of domain walls in tracks."""
