"""What another policy would have decided, from what guards said then; they are asked again only where they must be."""
