"""Source-measure units: one module for each model, a package where one file would be too much to read."""
