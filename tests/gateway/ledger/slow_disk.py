"""A disk that does not answer until it is told to."""

import threading


class SlowDisk:
    """Holds the journal's one thread, as a disk does that does not answer."""

    def __init__(self, journal):
        self.answers = threading.Event()
        journal._thread.submit(self.answers.wait, 10)  # so that a failing test ends, too
