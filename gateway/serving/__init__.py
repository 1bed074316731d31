"""The gateway as a server: its command line, one process of it, and several that share a port."""
