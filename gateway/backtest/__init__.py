"""A draft policy against exchanges that were recorded: what would change, told from what guards said then."""
