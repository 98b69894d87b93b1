"""Rules, one file per model or family."""
