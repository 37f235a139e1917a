"""Checks that network policies cover every pod, and that each rule names its peers and ports."""

from collections.abc import Iterator

from render import Rendering, title

# The metadata service of a cloud machine is in this network. It gives credentials to whoever asks.
LINK_LOCAL = "169.254.0.0/16"


def problems(rendering: Rendering) -> Iterator[str]:
    # The base does not know the peers of an installation.
    if rendering.name == "base":
        return
    for workload in rendering.workloads():
        labels = workload["spec"]["template"]["metadata"]["labels"].items()
        covered = {
            direction
            for policy in rendering.of("NetworkPolicy")
            if policy["spec"]["podSelector"].get("matchLabels", {}).items() <= labels
            for direction in policy["spec"]["policyTypes"]
        }
        for direction in sorted({"Ingress", "Egress"} - covered):
            yield f"{title(workload)}: no NetworkPolicy limits the {direction.lower()} of its pods"
    for policy in rendering.of("NetworkPolicy"):
        for field, peers in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(field, []):
                yield from (f"{title(policy)}: {field}: {text}" for text in rule_problems(rule, peers))


def rule_problems(rule: dict, peers: str) -> Iterator[str]:
    if not rule.get("ports"):
        yield "a rule must name its ports"
    if not rule.get(peers):
        yield f"a rule must name its peers with `{peers}`: without them it allows everyone"
    for peer in rule.get(peers, []):
        selectors = [peer.get(kind, {}) for kind in ("namespaceSelector", "podSelector")]
        if "ipBlock" not in peer and not any(selectors):
            yield "an empty selector allows every pod"
        block = peer.get("ipBlock", {})
        if block.get("cidr") == "0.0.0.0/0" and LINK_LOCAL not in block.get("except", []):
            yield f"0.0.0.0/0 must except {LINK_LOCAL}, the metadata service of the machine"
