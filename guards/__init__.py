"""Floor 1: screening of text; a library that imports nothing of ours."""
