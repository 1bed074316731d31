"""One training by one file: recipes as people write them, and data as TRL has it."""
