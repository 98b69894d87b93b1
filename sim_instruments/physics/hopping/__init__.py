"""Thermally activated motion of a point-like wall in a narrow track: hops from site to site of a tilted washboard."""
