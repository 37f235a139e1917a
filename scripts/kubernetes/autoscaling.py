"""Checks that the ScaledObject and the worker Deployment are consistent."""

from collections.abc import Iterator
from pathlib import Path

from render import Rendering, environment, pod, title

QUERY = Path("deploy/kubernetes/components/keda/queue-depth.sql")
# Connection parameters of KEDA's PostgreSQL scaler.
PARAMETERS = {"host", "port", "dbName", "sslmode", "userName", "password"}


def problems(rendering: Rendering) -> Iterator[str]:
    for scaled in rendering.of("ScaledObject"):
        yield from (f"{title(scaled)}: {text}" for text in scaled_problems(scaled["spec"], rendering))


def scaled_problems(spec: dict, rendering: Rendering) -> Iterator[str]:
    deployment = rendering.named("Deployment", spec["scaleTargetRef"]["name"])
    if deployment is None:
        yield f"the Deployment {spec['scaleTargetRef']['name']} does not exist"
        return
    if "replicas" in deployment["spec"]:
        yield f"{title(deployment)} must not set replicas: every apply would override the autoscaler"
    if not 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]:
        yield "minReplicaCount must be at least 1, because workers run the janitor, and at most maxReplicaCount"
    (trigger,) = spec["triggers"]
    if (trigger["type"], trigger.get("metricType")) != ("postgresql", "AverageValue"):
        yield "the trigger must be postgresql with metricType AverageValue, which sets the work per worker"
    metadata = trigger["metadata"]
    if metadata.get("query") != QUERY.read_text():
        yield f"the query differs from {QUERY}"
    concurrency = environment(pod(deployment)["containers"][0], rendering).get("EXPORTS_CONCURRENCY")
    if metadata.get("targetQueryValue") != concurrency:
        yield (
            f"targetQueryValue is {metadata.get('targetQueryValue')}, but EXPORTS_CONCURRENCY is {concurrency}: "
            "set EXPORTS_CONCURRENCY in a component that is listed before keda"
        )
    yield from authentication_problems(trigger, rendering)


def authentication_problems(trigger: dict, rendering: Rendering) -> Iterator[str]:
    name = trigger["authenticationRef"]["name"]
    authentication = rendering.named("TriggerAuthentication", name)
    if authentication is None:
        yield f"the TriggerAuthentication {name} does not exist"
        return
    given = {reference["parameter"] for reference in authentication["spec"]["secretTargetRef"]}
    if given != PARAMETERS:
        yield f"{title(authentication)}: the scaler needs the parameters {sorted(PARAMETERS)}, but has {sorted(given)}"
