"""Checks the rendered manifests. Selects overlays and reports problems; other modules have the rules."""

import sys
from pathlib import Path

import autoscaling
import network
import pods
import references
import schemas
from render import Rendering, given_overlays, project_overlays

RULES = (schemas.problems, pods.problems, references.problems, network.problems, autoscaling.problems)


def main(folders: list[str]) -> int:
    found = 0
    renderings = given_overlays(map(Path, folders)) if folders else project_overlays()
    for rendering in renderings:
        for problem in problems(rendering):
            found += 1
            print(f"{rendering.name}: {problem}", file=sys.stderr)
        print(f"{rendering.name}: {len(rendering.objects)} objects checked")
    return 1 if found else 0


def problems(rendering: Rendering):
    for rule in RULES:
        yield from rule(rendering)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
