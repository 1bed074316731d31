"""Guards that find: one file a kind, and what they need to tell a find from a chance likeness."""
