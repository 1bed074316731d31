"""Where versions' files are kept for every machine that serves or trains them, and how they come here."""
