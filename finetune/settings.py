"""What the learning loop is told: `finetune:` in trimtab.yaml and `TRIMTAB_FINETUNE_*` over it, read once.

Where the ledger, the gateway and the reward server are comes from the gateway's own settings, and, where
`trimtab up` chose them, from the credentials that it left in the home directory.

SettingsInvalid     a value is unknown or malformed; the message names each, and never repeats a value
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, SettingsConfigDict

from finetune.devices import SharingRules
from finetune.errors import ExamFailed
from finetune.exams.board import EXAMS, POCKET_EXAMS, exams_of
from finetune.exams.contract import ExamPlan
from finetune.executors.contract import Local, Where
from finetune.metrics import MetricsRules
from finetune.notify import Webhook
from finetune.pairs.draw import DrawRules
from finetune.pairs.filters import POCKET_FILTERS, FilterRules
from finetune.pairs.make import POCKET_MAKE, MakeRules
from finetune.pairs.on_ray import LOCAL, Address
from finetune.plan import Plan
from finetune.rollout.gate import Bars
from finetune.rollout.plan import AT_ONCE, RolloutRules
from finetune.schedule import WatchRules
from finetune.train.contract import POCKET, Recipe
from gateway.amounts import Count, Positive
from gateway.misread import Source, nearest
from gateway.settings import GatewaySettings, SettingsInvalid, Url, load_settings
from gateway.up.credentials import Credentials, CredentialsUnreadable, location
from gateway.up.stack import plan as stack_plan

PREFIX = "TRIMTAB_FINETUNE_"


class FinetuneSettings(BaseSettings):
    """The `finetune` section."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    admin_url: Url | None = None
    admin_key: SecretStr | None = None  # TRIMTAB_ADMIN_KEY does as well
    reward_url: Url | None = None
    fewest_pairs: Count = 100
    window: Count = 50_000  # how many of the latest ranked exchanges are read for pairs
    lease_seconds: Annotated[float, Field(ge=1)] = 60.0
    reward_timeout_seconds: Positive = 120.0
    watch: WatchRules = WatchRules()
    webhooks: tuple[Webhook, ...] = ()
    metrics: MetricsRules = MetricsRules()
    red_team: Path | None = None  # failures that red-teaming found, as JSON lines (docs/pairs.md)
    jobs: Count = 1  # processes that make pairs of a large ledger
    jobs_on_ray: Address | None = (
        None  # a Ray cluster that makes them: local, auto, HOST:PORT, ray://HOST:PORT
    )
    make: MakeRules = POCKET_MAKE  # as of the recipe
    draw: DrawRules = DrawRules()
    filters: FilterRules = POCKET_FILTERS  # as of the recipe
    share_gpu: SharingRules = SharingRules()  # engines that sleep while a retraining trains
    executor: Where = Local()  # where it trains
    recipe: Recipe = POCKET  # where the recipe names a base model, its own defaults hold instead
    exam: ExamPlan = ExamPlan(exams=POCKET_EXAMS)  # and so do those of the exam
    bars: Bars = Bars()
    # As of the recipe: the packaged model goes live at once, one of yours step by step, unless said otherwise.
    rollout: RolloutRules = AT_ONCE


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the loop must know of its surroundings."""

    settings: FinetuneSettings
    gateway: GatewaySettings
    admin_url: str
    admin_key: str | None
    reward_url: str | None
    base: str  # the policy model's directory or hub name
    traffic_reward_url: str | None = None  # the gateway's own, which finetune.reward_url may not be
    admin_key_from: str = "finetune.admin_key"  # the variable, setting or file that the key stands in

    @property
    def home(self) -> Path:
        """Where datasets, adapters and exams are kept."""
        return self.gateway.home.absolute()

    @property
    def rankers(self) -> tuple[str, ...]:
        """Whose rewards rank candidates: those of traffic, and those that are drawn or scored later."""
        return tuple(dict.fromkeys(url for url in (self.reward_url, self.traffic_reward_url) if url))

    def scraped_at(self, port: int | None) -> "Situation":
        """The same with metrics at a port that the command line names, if it does."""
        if port is None:
            return self
        metrics = replace(self.settings.metrics, port=port)
        return replace(self, settings=self.settings.model_copy(update={"metrics": metrics}))

    def made_by(self, jobs: int | None, *, on_ray: bool) -> "Situation":
        """The same with pairs made by as many, and on Ray, where the command line says so."""
        changes: dict[str, Any] = {} if jobs is None else {"jobs": jobs}
        if on_ray:
            changes["jobs_on_ray"] = self.settings.jobs_on_ray or LOCAL
        return replace(self, settings=self.settings.model_copy(update=changes))

    @property
    def plan(self) -> Plan:
        """What decides a run's result."""
        told = self.settings
        return Plan(
            alias=self.gateway.alias,
            datasets=self.home / "datasets",
            fewest_pairs=told.fewest_pairs,
            make=told.make,
            draw=told.draw,
            filters=told.filters,
            recipe=told.recipe,
            exam=told.exam,
            bars=told.bars,
            rollout=told.rollout,
        )


def load_situation(
    config: Path | None = None, home: Path | None = None, recipe: Mapping[str, Any] | None = None
) -> Situation:
    """Read the file, the environment and what `trimtab up` left; raises SettingsInvalid.

    A recipe that was written on its own stands in place of the file's, and over the environment.
    """
    told = load_finetune_settings(config, recipe)
    homed: dict[str, Any] = {"home": home} if home else {}
    gateway = load_settings(config, **homed)
    left = credentials_in(gateway.home)
    of_traffic = reward_url_of(gateway, left, config)
    key, key_from = admin_key_of(told, left, gateway.home)
    return Situation(
        settings=told,
        gateway=gateway,
        admin_url=told.admin_url or (left.admin_url if left else admin_url_of(gateway)),
        admin_key=key,
        reward_url=told.reward_url or of_traffic,
        base=told.recipe.base or str(packaged_policy()),
        traffic_reward_url=of_traffic,
        admin_key_from=key_from,
    )


def load_finetune_settings(
    config: Path | None = None, recipe: Mapping[str, Any] | None = None
) -> FinetuneSettings:
    """The environment over the `finetune` section of the file; over both a recipe that was written on its own."""
    section = section_of(config)
    own: dict[str, Any] = {} if recipe is None else {"recipe": dict(recipe)}
    section |= own

    class Configured(FinetuneSettings):
        make: MakeRules = MakeRules() if names_a_base(section) else POCKET_MAKE
        filters: FilterRules = FilterRules() if names_a_base(section) else POCKET_FILTERS
        recipe: Recipe = Recipe() if names_a_base(section) else POCKET
        exam: ExamPlan = ExamPlan(exams=EXAMS if names_a_base(section) else POCKET_EXAMS)
        rollout: RolloutRules = RolloutRules() if names_a_base(section) else AT_ONCE

        @classmethod
        def settings_customise_sources(cls, settings_cls: type[BaseSettings], *_: Any, **sources: Any) -> Any:
            in_file = InitSettingsSource(settings_cls, section)
            return sources["init_settings"], sources["env_settings"], in_file

    refuse_unknown_variables()
    try:
        told = Configured(**own)
        exams_of(told.exam)
        refuse_shared_in_process(told)
    except ExamFailed as error:
        raise SettingsInvalid(f"finetune.exam.exams: {error}") from None
    except ValidationError as error:
        source = Source(FinetuneSettings, PREFIX, file_of(config), section, os.environ, "finetune")
        raise SettingsInvalid(
            source.told(error.errors())
        ) from None  # the cause repeats values; some are keys
    except ValueError as error:
        raise SettingsInvalid(f"a {PREFIX} variable is not JSON where it must be: {error}") from None
    return told


def refuse_shared_in_process(told: FinetuneSettings) -> None:
    """Memory of this process's GPU is free for the engine again only when the process ends, which is too late."""
    if told.share_gpu.engines and isinstance(told.executor, Local):
        need = "needs an executor with processes of its own: set finetune.executor to accelerate or ray"
        raise SettingsInvalid(f"finetune.share_gpu: {need}")


def names_a_base(section: dict[str, Any]) -> bool:
    """Whether another model than the packaged one is to be trained."""
    told = section.get("recipe")
    return bool(os.environ.get(f"{PREFIX}RECIPE__BASE") or (isinstance(told, dict) and told.get("base")))


def refuse_unknown_variables() -> None:
    """A misspelt variable is refused, not ignored."""
    known = {name.upper() for name in FinetuneSettings.model_fields}
    for variable in os.environ:
        name = variable.removeprefix(PREFIX).split("__")[0]
        if not variable.startswith(PREFIX) or name in known:
            continue
        meant = nearest(variable, PREFIX, FinetuneSettings)
        told = f"{variable} is no setting" + (f"; {meant} is one" if meant else "")
        raise SettingsInvalid(f"{told}; known after {PREFIX} are {', '.join(sorted(known))}")


def file_of(config: Path | None) -> Path:
    """The settings' file, whether or not it is there."""
    return config or Path(os.environ.get("TRIMTAB_CONFIG") or "trimtab.yaml")


def section_of(config: Path | None) -> dict[str, Any]:
    """The `finetune` section of the file; whether the file itself is there the gateway's settings say."""
    path = file_of(config)
    try:
        document = yaml.safe_load(path.read_text()) if path.is_file() else {}
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise SettingsInvalid(f"{path} cannot be read as YAML: {error}") from None
    section = (document or {}).get("finetune") if isinstance(document, dict) else None
    if section is not None and not isinstance(section, dict):
        raise SettingsInvalid(f"{path}: finetune must hold settings by name")
    return section or {}


def admin_key_of(told: FinetuneSettings, left: Credentials | None, home: Path) -> tuple[str | None, str]:
    """The admin key and where it stands: our own, the one that other commands take too, or what `trimtab up` left."""
    own = f"{PREFIX}ADMIN_KEY"
    if told.admin_key:
        return told.admin_key.get_secret_value(), own if os.environ.get(own) else "finetune.admin_key"
    if key := os.environ.get("TRIMTAB_ADMIN_KEY"):
        return key, "TRIMTAB_ADMIN_KEY"
    return (left.admin_key if left else None), str(location(home))


def credentials_in(home: Path) -> Credentials | None:
    """What `trimtab up` left."""
    try:
        return Credentials.load(home)
    except CredentialsUnreadable as error:
        raise SettingsInvalid(str(error)) from None


def admin_url_of(gateway: GatewaySettings) -> str:
    """Where the gateway's own settings put its admin API."""
    return f"http://{gateway.admin.host}:{gateway.admin.port}"


def reward_url_of(gateway: GatewaySettings, left: Credentials | None, config: Path | None) -> str | None:
    """The reward server of the settings, or the one that `trimtab up` started beside the gateway."""
    if gateway.reward.url or left is None:
        return gateway.reward.url
    return stack_plan(config, gateway.home, urlsplit(left.base_url).port).settings.reward.url


def packaged_policy() -> Path:
    """The pocket policy's directory."""
    return Path(str(files("gateway") / "engines" / "pocket" / "policy"))
