"""Copies the pages of the book into one folder, with the layout of the repository, so that the relative links between them
stay as they are. Pages may be anywhere in the repository: docs/SUMMARY.md lists them."""

import os.path
import re
import shutil
from pathlib import Path

from markdown import links_of
from repository import SUMMARY, Repository


def stage(repository: Repository, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    source = folder / "src"
    pages = [os.path.normpath(os.path.join("docs", link.target)) for link in links_of(SUMMARY)]
    for page in pages:
        copy(page, source)
        for target in sorted({link.target.partition("#")[0] for link in links_of(page)} - {""}):
            file = os.path.normpath(os.path.join(os.path.dirname(page), target))
            if not target.endswith(".md") and repository.is_folder(file):
                stage_folder(repository, file, source)
            elif file in repository.files and file not in pages:
                copy(file, source)
    summary = Path(SUMMARY).read_text(encoding="utf-8")
    (source / "SUMMARY.md").write_text(re.sub(r"\]\(([^)]+)\)", at_the_root, summary), encoding="utf-8")
    for file in ("book.toml", "book.css"):
        shutil.copy(Path("docs") / file, folder / file)


def at_the_root(match: re.Match) -> str:
    return f"]({os.path.normpath(os.path.join('docs', match[1]))})"


def copy(file: str, source: Path) -> None:
    target = source / file
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)


def stage_folder(repository: Repository, folder: str, source: Path) -> None:
    """A link to a folder shows a list of its files. A web server or a browser may not make one."""
    target = source / folder
    target.mkdir(parents=True, exist_ok=True)
    files = [file for file in repository.files if file.startswith(f"{folder}/") and not file.endswith(".md")]
    for file in files:
        copy(file, source)
    items = "\n".join(f'<li><a href="{os.path.relpath(file, folder)}">{os.path.relpath(file, folder)}</a></li>' for file in files)
    page = f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>{folder}</title><h1>{folder}</h1>\n<ul>\n{items}\n</ul></html>\n'
    (target / "index.html").write_text(page, encoding="utf-8")
