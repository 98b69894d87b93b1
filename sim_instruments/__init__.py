"""Simulated instruments around one sample of domain-wall devices, reached through PyVISA as `@domainwall`."""
