"""`trimtab up`: engine, reward server and gateway, started, watched and stopped as one."""
