"""What choosing among candidates costs and brings, one file for each measure."""
