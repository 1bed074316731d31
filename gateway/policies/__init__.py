"""Guard policies in a running gateway: put in force, restored, and tried on what was recorded."""
