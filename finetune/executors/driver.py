"""The driver of a training on Ray: `python -m finetune.executors.driver JOB TALK RAY`."""

import json
import sys
import threading
from pathlib import Path
from typing import Any

from finetune.errors import reason
from finetune.executors.contract import Ray
from finetune.executors.talk import JOB, Talk


def main(job: Path, talk: Path, told: Ray) -> int:
    """Train on the cluster; 0 when something was learnt."""
    import ray  # noqa: PLC0415 - it takes seconds
    from ray.train import RunConfig, ScalingConfig  # noqa: PLC0415 - as above
    from ray.train.torch import TorchConfig, TorchTrainer  # noqa: PLC0415 - as above

    here = told.address == "local"
    ray.init(
        address=told.address,  # None would join whatever cluster was started last here, also one that is gone
        include_dashboard=False if here else None,
        log_to_driver=True,
        configure_logging=False,
    )
    recipe = JOB.validate_json(job.read_bytes()).recipe
    each = {"CPU": told.cpus_per_worker} | ({"GPU": told.gpus_per_worker} if told.gpus_per_worker else {})
    trainer = TorchTrainer(
        in_worker,
        train_loop_config={"job": str(job), "talk": str(talk)},
        scaling_config=ScalingConfig(
            num_workers=told.workers, use_gpu=told.gpus_per_worker > 0, resources_per_worker=each
        ),
        torch_config=TorchConfig(
            backend="gloo" if recipe.device == "cpu" or not told.gpus_per_worker else "nccl"
        ),
        run_config=RunConfig(name=job.parent.name, storage_path=str(job.parent / "ray")),
    )
    try:
        trainer.fit()
    except (RuntimeError, ray.exceptions.RayError) as error:  # what a worker said itself stands there already
        Talk(talk).failed(f"training on Ray broke off: {reason(error)}")
        return 1
    return 0


def in_worker(told: dict[str, Any]) -> None:
    """What each of Ray Train's workers does."""
    from finetune.executors.child import trained  # noqa: PLC0415 - torch, in the worker alone

    if trained(Path(told["job"]).read_bytes(), Path(told["talk"]), threading.Event()) != 0:
        raise RuntimeError("a worker could not train")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), Ray(**json.loads(sys.argv[3]))))
