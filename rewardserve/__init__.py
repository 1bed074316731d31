"""Floor 1: rewards for candidates; a server and its typed client, importing nothing of ours."""
