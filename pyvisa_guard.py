"""PyVISA plug-in `@guard`: another VISA library, with a bench file's limits on the messages that go through it.

`pyvisa.ResourceManager("lab.toml@guard")` opens the library that `lab.toml` names; `@guard` alone the bench that ships;
`@py@guard` the library `@py` with the limits of the bench that ships.
"""

from drivers.guard.library import GuardVisaLibrary

WRAPPER_CLASS = GuardVisaLibrary
"""What PyVISA looks for in a plug-in."""
