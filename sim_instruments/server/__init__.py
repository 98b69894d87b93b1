"""The twins of a bench behind real interfaces: raw TCP sockets, HiSLIP and pseudo-terminals."""
