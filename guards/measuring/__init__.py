"""How well guards tell harmful texts from harmless ones: figures with intervals, plots, and one page of both."""
