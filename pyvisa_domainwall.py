"""PyVISA plug-in `@domainwall`: the simulated bench."""
