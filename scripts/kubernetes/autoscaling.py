"""The autoscaler's object: it and the Deployment must not contradict each other."""

from collections.abc import Iterator
from pathlib import Path

from render import Rendering, environment, pod, title

QUERY = Path("deploy/kubernetes/components/keda/queue-depth.sql")
# What KEDA's PostgreSQL scaler needs to connect.
PARAMETERS = {"host", "port", "dbName", "sslmode", "userName", "password"}


def problems(rendering: Rendering) -> Iterator[str]:
    for scaled in rendering.of("ScaledObject"):
        yield from (f"{title(scaled)}: {text}" for text in scaled_problems(scaled["spec"], rendering))


def scaled_problems(spec: dict, rendering: Rendering) -> Iterator[str]:
    deployment = rendering.named("Deployment", spec["scaleTargetRef"]["name"])
    if deployment is None:
        yield f"there is no Deployment {spec['scaleTargetRef']['name']}"
        return
    if "replicas" in deployment["spec"]:
        yield f"{title(deployment)} has a number of replicas of its own: every apply would set it back"
    if not 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]:
        yield "minReplicaCount must be 1 or more, for the sweeps, and at most maxReplicaCount"
    (trigger,) = spec["triggers"]
    if (trigger["type"], trigger.get("metricType")) != ("postgresql", "AverageValue"):
        yield "the trigger must be postgresql with AverageValue: so much work per worker"
    metadata = trigger["metadata"]
    if metadata.get("query") != QUERY.read_text():
        yield f"the query is not what stands in {QUERY}"
    concurrency = environment(pod(deployment)["containers"][0], rendering).get("EXPORTS_CONCURRENCY")
    if metadata.get("targetQueryValue") != concurrency:
        yield (
            f"targetQueryValue is {metadata.get('targetQueryValue')}, EXPORTS_CONCURRENCY is {concurrency}: "
            "set the latter in a component that is listed before keda"
        )
    yield from authentication_problems(trigger, rendering)


def authentication_problems(trigger: dict, rendering: Rendering) -> Iterator[str]:
    name = trigger["authenticationRef"]["name"]
    authentication = rendering.named("TriggerAuthentication", name)
    if authentication is None:
        yield f"there is no TriggerAuthentication {name}"
        return
    given = {reference["parameter"] for reference in authentication["spec"]["secretTargetRef"]}
    if given != PARAMETERS:
        yield f"{title(authentication)}: the scaler needs {sorted(PARAMETERS)}, not {sorted(given)}"
