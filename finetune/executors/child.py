"""One of a training's processes, one for each device: `python -m finetune.executors.child JOB TALK`.

All of them train together; the first tells of it.
"""

import signal
import sys
import threading
from pathlib import Path

from finetune.errors import FinetuneFailed, reason
from finetune.executors.talk import JOB, Talk, stop_unheard
from finetune.progress import Progress, Silence
from finetune.train.processes import is_first
from finetune.train.trainer import learn


def main(job: Path, talk: Path) -> int:
    """Train; 0 when something was learnt."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    return trained(job.read_bytes(), talk, stop)


def trained(job: bytes, talk: Path, stop: threading.Event) -> int:
    """The same, told what to do."""
    told = JOB.validate_json(job)
    threading.Thread(target=stop_unheard, args=(talk, stop), daemon=True).start()
    first = is_first(told.recipe)
    speaking = Talk(talk)
    progress: Progress = speaking if first else Silence()
    try:
        found = learn(told, progress, stop)
    except FinetuneFailed as error:
        speaking.failed(str(error))
        return 1
    except Exception as error:  # the line is all that whoever waits ever hears
        speaking.failed(f"training broke off: {reason(error)}")
        raise
    if first:
        speaking.trained(found)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
