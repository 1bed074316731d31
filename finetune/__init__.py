"""Floor 3: the learning loop, from pairs to a rollout; a job and a worker."""
