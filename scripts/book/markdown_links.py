"""Checks the relative links of all Markdown files, the names of pages in other files, and that no page of docs/ is missing
in the book. Nothing outside of the repository is requested."""

import os.path
import re
from pathlib import Path
from urllib.parse import unquote

from markdown import anchors_of, links_of
from repository import SUMMARY, Repository

OUTSIDE = re.compile(r"^[a-z][a-z0-9+.-]*:")
# As in comments, error messages and manifests: `docs/limits.md`, `deploy/RUNBOOK.md#memory`.
NAMED = re.compile(r"(?<![\w./-])((?:docs|deploy)/[\w/-]+\.md)(?:#([\w-]+))?")


def check(repository: Repository) -> tuple[list[str], str]:
    problems = []
    links = 0
    for page in repository.markdown():
        for link in links_of(page):
            if OUTSIDE.match(link.target):
                continue
            links += 1
            if problem := problem_of(repository, page, link.target):
                problems.append(f"{page}:{link.line}: {problem}")
    names = 0
    for file in repository.others():
        for number, path, anchor in names_in(file):
            names += 1
            if problem := problem_of(repository, "README.md", f"{path}#{anchor}" if anchor else path):
                problems.append(f"{file}:{number}: {problem}")
    problems.extend(pages_that_are_not_in_the_book(repository))
    return problems, f"{len(repository.markdown())} Markdown files: {links} links and {names} names of pages checked"


def problem_of(repository: Repository, page: str, target: str) -> str | None:
    path, _, anchor = target.partition("#")
    if path.startswith("/"):
        return f"{target} is not a relative link"
    file = os.path.normpath(os.path.join(os.path.dirname(page), unquote(path))) if path else page
    if not repository.has(file):
        return f"the link {target} is broken: there is no {file}"
    if not anchor:
        return None
    if not file.endswith(".md"):
        return f"the link {target} has an anchor, but {file} is not Markdown"
    if anchor not in anchors_of(file):
        return f"the link {target} is broken: {file} has no heading with the anchor {anchor}"
    return None


def names_in(file: str):
    try:
        text = Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        for path, anchor in NAMED.findall(line):
            yield number, path, anchor


def pages_that_are_not_in_the_book(repository: Repository):
    listed = {os.path.normpath(os.path.join("docs", link.target)) for link in links_of(SUMMARY)}
    for page in repository.markdown():
        if page.startswith("docs/") and page not in listed and page != SUMMARY:
            yield f"{SUMMARY}: {page} is not in the book"
