"""Switch matrices, one file per model."""
