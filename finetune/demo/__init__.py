"""`trimtab demo`: the whole loop, told on real input and measured as it goes."""
