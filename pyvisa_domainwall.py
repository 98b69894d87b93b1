"""PyVISA plug-in `@domainwall`: the simulated bench.

`pyvisa.ResourceManager("@domainwall")` opens the bench that ships, `pyvisa.ResourceManager("bench.toml@domainwall")`
another one.
"""

from sim_instruments.visa import DomainWallVisaLibrary

WRAPPER_CLASS = DomainWallVisaLibrary
"""What PyVISA looks for in a plug-in."""
