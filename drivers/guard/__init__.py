"""Hard limits on the messages themselves, below every driver: a VISA library around another one.

`pyvisa.ResourceManager("lab.toml@guard")` opens the library of the bench file `lab.toml` and lets through what its
limits allow. The judge of each instrument fails closed: a command that it does not know and that could touch a level, a
time, a count or an output is refused, with a `LimitError`, before a byte is sent.
"""
