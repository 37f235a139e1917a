"""Every object against the schemas of the oldest and the newest Kubernetes that are supported."""

from collections.abc import Iterator

import kubernetes_validate

from render import Rendering, title

# The oldest in which a preStop that sleeps needs no feature gate.
VERSIONS = ("1.30", "1.37")

# Kinds of others, for which there is no schema here: the fields that are used.
FOREIGN = {
    "PodMonitor": {"jobLabel", "selector", "podMetricsEndpoints"},
    "ScaledObject": {
        "scaleTargetRef", "pollingInterval", "minReplicaCount", "maxReplicaCount", "advanced", "triggers",
    },
    "TriggerAuthentication": {"secretTargetRef"},
}  # fmt: skip


def problems(rendering: Rendering) -> Iterator[str]:
    for thing in rendering.objects + [x for x in rendering.given or [] if "apiVersion" in x]:
        if thing["kind"] in FOREIGN:
            for field in thing["spec"].keys() - FOREIGN[thing["kind"]]:
                yield f"{title(thing)}: spec.{field} is not a field that this check knows"
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(thing, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(map(str, error.path))
                yield f"{title(thing)}: {path}: {error.message} (Kubernetes {version})"
            except kubernetes_validate.SchemaNotFoundError:
                yield f"{title(thing)}: Kubernetes {version} has no {thing['apiVersion']} {thing['kind']}"
