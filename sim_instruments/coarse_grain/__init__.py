"""Coarse-graining: the compact model's parameters from a finer model of the walls, for one pulse."""
