"""Source-measure units, one file per model."""
