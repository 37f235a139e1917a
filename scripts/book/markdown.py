"""Links, headings and anchors of a Markdown page."""

import re
from functools import cache
from pathlib import Path
from typing import Iterator, NamedTuple

FENCE = re.compile(r"^ {0,12}(`{3,}|~{3,})")
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
INLINE = re.compile(r"\]\(\s*<?([^()\s<>]*(?:\([^()\s]*\)[^()\s<>]*)*)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)")
HTML = re.compile(r"<(?:a|img)\b[^>]*?\b(?:href|src)=\"([^\"]*)\"")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
IDENTIFIER = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")


class Link(NamedTuple):
    line: int
    target: str


@cache
def lines_of(path: str) -> tuple[tuple[int, str], ...]:
    """The numbered lines outside of code blocks and comments."""
    found = []
    fence = None
    in_comment = False
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if match := FENCE.match(line):
            if fence is None:
                fence = match[1]
            elif match[1].startswith(fence) and line.strip() == match[1]:
                fence = None
            continue
        if fence is not None:
            continue
        if in_comment or line.lstrip().startswith("<!--"):
            in_comment = "-->" not in line
            continue
        found.append((number, line))
    return tuple(found)


def links_of(path: str) -> Iterator[Link]:
    for number, line in lines_of(path):
        line = CODE.sub("", line)
        for pattern in (INLINE, REFERENCE, HTML):
            for match in pattern.finditer(line):
                yield Link(number, match[1])


@cache
def anchors_of(path: str) -> frozenset[str]:
    """The anchors of the headings, as GitHub and mdBook make them, and those that the page names itself."""
    anchors = set()
    counts: dict[str, int] = {}
    for _, line in lines_of(path):
        anchors.update(IDENTIFIER.findall(line))
        if match := HEADING.match(line):
            name = slug(match[2])
            count = counts.get(name, 0)
            counts[name] = count + 1
            anchors.add(f"{name}-{count}" if count else name)
    return frozenset(anchors)


def slug(heading: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = text.replace("`", "").replace("*", "")
    kept = "".join(char for char in text.lower() if char.isalnum() or char in " -_")
    return kept.replace(" ", "-")
