"""Prepares the book and checks links: see scripts/check-book."""

import sys
from pathlib import Path

import html_links
import markdown_links
import staging
from repository import Repository


def main(arguments: list[str]) -> int:
    repository = Repository()
    match arguments:
        case ["stage", folder]:
            staging.stage(repository, Path(folder))
            return 0
        case ["check-markdown"]:
            problems, summary = markdown_links.check(repository)
        case ["check-html", folder]:
            problems, summary = html_links.check(Path(folder))
        case _:
            print("usage: scripts/book stage FOLDER | check-markdown | check-html FOLDER", file=sys.stderr)
            return 2
    for problem in problems:
        print(problem, file=sys.stderr)
    print(summary)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
