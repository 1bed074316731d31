"""Dashboard and alerts name only metrics, labels and targets that exist."""

import re
from typing import Any

import pytest

from finetune.metrics import TrainingMetrics
from gateway.engines.pocket.meter import Meter
from gateway.metrics import Metrics as GatewayMetrics
from rewardserve.metrics import Metrics as RewardMetrics
from tests.deploy.places import (
    COMPOSE_FILES,
    DEPLOY,
    Asked,
    asked_by_dashboard,
    asked_by_rules,
    document,
    rules,
)

# vLLM 0.32's own names; histograms also by their parts.
OF_VLLM = {
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:num_preemptions_total",
    "vllm:time_to_first_token_seconds_bucket",
    "vllm:inter_token_latency_seconds_bucket",
    "vllm:request_queue_time_seconds_bucket",
    "vllm:request_success_total",
}
OF_PROMETHEUS = {"up", "ALERTS"}
OF_TARGETS = {"instance", "job"}  # labels that Prometheus adds
REGISTRIES = (
    GatewayMetrics().registry,
    RewardMetrics().registry,
    Meter("a-model")._registry,
    TrainingMetrics().registry,
)
METRIC = re.compile(r"\b(?:trimtab_\w+|vllm:\w+|up|ALERTS)\b")
SELECTOR = re.compile(r"(trimtab_\w+)\{([^}]*)\}")
GROUPED = re.compile(r"(?:sum|max|min|avg|count) (?:by) \(([^)]*)\) \((?:\w+\()?(trimtab_\w+)")
ASKED = [*asked_by_dashboard(), *asked_by_rules()]


def exposed() -> dict[str, set[str]]:
    """Every series name that our servers can expose, and the labels it has."""
    names: dict[str, set[str]] = {}
    for registry in REGISTRIES:
        for name, collector in registry._names_to_collectors.items():
            names[name] = set(getattr(collector, "_labelnames", ())) | extra_labels(name)
        process = {family.name for family in registry.collect() if "_process_" in family.name}
        names |= {name: set() for family in process for name in (family, f"{family}_total")}
    return names


def extra_labels(name: str) -> set[str]:
    if name.endswith("_bucket"):
        return {"le"}
    return {"version"} if name == "trimtab_build_info" else set()


EXPOSED = exposed()


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.where)
def test_every_metric_named_exists(asked: Asked) -> None:
    recorded = {rule["record"] for rule in rules("record")}
    named = set(METRIC.findall(asked.expr))
    assert named - EXPOSED.keys() - OF_VLLM - OF_PROMETHEUS - recorded == set()
    assert named or recorded & set(re.findall(r"trimtab:[\w:]+", asked.expr))


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.where)
def test_every_label_matched_or_grouped_by_exists(asked: Asked) -> None:
    for name, matchers in SELECTOR.findall(asked.expr):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        assert labels <= EXPOSED[name] | OF_TARGETS, name
    for labels, name in GROUPED.findall(asked.expr):
        assert set(re.split(r",\s*", labels)) <= EXPOSED[name] | OF_TARGETS, name


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.where)
def test_no_sum_of_rewards_is_taken_for_a_counter(asked: Asked) -> None:
    """Rewards may be negative: their sums fall, which rate() and increase() would read as a restart."""
    assert not re.search(r"(?:rate|increase)\(trimtab_reward_(?:sampled|chosen|rewards)_sum", asked.expr)


def test_every_metric_of_ours_is_shown_somewhere() -> None:
    """What is measured and never looked at is noise; `_created` and process details aside."""
    shown = " ".join(asked.expr for asked in ASKED)
    families = {family.name for registry in REGISTRIES for family in registry.collect()}
    assert not {name for name in families if not name.startswith("trimtab_process_") and name not in shown}


@pytest.mark.parametrize(
    ("config", "compose"), [("prometheus.yml", COMPOSE_FILES[0]), ("prometheus.pocket.yml", COMPOSE_FILES[1])]
)
def test_prometheus_scrapes_services_that_exist(config: str, compose: str) -> None:
    jobs: list[dict[str, Any]] = document(DEPLOY / "prometheus" / config)["scrape_configs"]
    hosts = {
        target.split(":")[0]
        for job in jobs
        for static in job["static_configs"]
        for target in static["targets"]
    }
    assert hosts - {"localhost"} <= document(DEPLOY / compose)["services"].keys()


def test_alerts_watch_jobs_that_prometheus_has() -> None:
    jobs = {job["job_name"] for job in document(DEPLOY / "prometheus/prometheus.yml")["scrape_configs"]}
    for rule in rules("alert"):
        assert set(re.findall(r'job="([^"]+)"', rule["expr"])) <= jobs
