"""How requests go while a new version comes into traffic: what the learning loop decides by."""
