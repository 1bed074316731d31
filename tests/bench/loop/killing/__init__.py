"""The parts of a loop as processes that can be killed, and the trials in which they are."""
