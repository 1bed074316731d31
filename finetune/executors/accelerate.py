"""Several processes of this machine, one to each GPU: accelerate starts them, and TRL's trainers know how to share."""

import sys
from dataclasses import dataclass

from finetune.executors.contract import Accelerate
from finetune.executors.processes import Files, run
from finetune.executors.sharing import unshareable
from finetune.progress import Progress
from finetune.train.contract import Job, Recipe, Trained


@dataclass(frozen=True, slots=True)
class AccelerateExecutor:
    """Trains by `accelerate launch`."""

    told: Accelerate

    def refuses(self, recipe: Recipe) -> str | None:
        """A batch that cannot be shared out, and what shards do not go with."""
        if (why := unshareable(recipe, "executor.processes", self.told.processes)) is not None:
            return why
        if self.told.fsdp and recipe.ballast:
            return "executor.fsdp: recipe.ballast asks the whole model for answers, and shards give none; set one aside"
        if self.told.fsdp and recipe.device == "cpu":
            return "executor.fsdp: needs GPUs, and recipe.device is 'cpu'"
        return None

    async def learn(self, job: Job, progress: Progress) -> Trained:
        """Start them, listen, and stop them when cancelled; raises TrainingFailed."""
        return await run(job, progress, lambda files: self.command(job.recipe, files))

    def command(self, recipe: Recipe, files: Files) -> list[str]:
        """As one would type it; of processes without GPUs accelerate starts one alone, and torchrun several."""
        told = self.told
        child = ["-m", "finetune.executors.child", str(files.job), str(files.talk)]
        if recipe.device == "cpu" and told.config is None:
            torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
            return [*torchrun, "--nproc_per_node", str(told.processes), *child]
        options = ["--num_processes", str(told.processes), "--mixed_precision", told.mixed_precision]
        options += ["--num_machines", "1", "--dynamo_backend", "no", "--main_process_port", "0"]
        if told.processes > 1 and not told.fsdp:
            options += ["--multi_gpu"]
        if told.fsdp:
            options += [
                "--use_fsdp",
                "--fsdp_version",
                "2",
                "--fsdp_auto_wrap_policy",
                "TRANSFORMER_BASED_WRAP",
            ]
        if told.config is not None:
            options = ["--config_file", str(told.config)]
        return [sys.executable, "-m", "accelerate.commands.launch", *options, *child]
