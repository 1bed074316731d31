"""Where a training runs: in this process, in several of this machine by accelerate, or on a Ray cluster."""
