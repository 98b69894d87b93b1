"""Array controllers, one file per model."""
