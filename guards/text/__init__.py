"""Text as a guard should read it: views that undo hiding, each with its way back to the original."""
