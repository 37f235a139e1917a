"""Checks every object against the schemas of the oldest and newest supported Kubernetes versions."""

from collections.abc import Iterator

import kubernetes_validate

from render import Rendering, title

# 1.30 is the oldest version that enables the preStop sleep action by default.
VERSIONS = ("1.30", "1.37")

# Custom resources have no schema here, so this lists the fields that the manifests use.
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
                yield f"{title(thing)}: this check does not know the field spec.{field}"
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(thing, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(map(str, error.path))
                yield f"{title(thing)}: {path}: {error.message} (Kubernetes {version})"
            except kubernetes_validate.SchemaNotFoundError:
                yield f"{title(thing)}: Kubernetes {version} does not support {thing['apiVersion']} {thing['kind']}"
