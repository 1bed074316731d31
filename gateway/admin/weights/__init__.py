"""Versions of full weights: what must hold of their files, and how engines come to hold them."""
