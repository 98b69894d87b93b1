"""Random programs of messages through the guard, and the judge of what they did to the simulated instruments.

A module for each kind of instrument says what its programs are made of; `author` puts them together, `rig` runs them
and `judge` looks at what came out. All draws come from one `random.Random`: a plain one for the long hunt, one of
Hypothesis's where a counterexample is to be made small.
"""
