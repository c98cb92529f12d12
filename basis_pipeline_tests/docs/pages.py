"""Markdown pages as the tests read them: fences with what is to be done with them, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
COOKBOOK = ROOT / "docs" / "cookbook.md"
PAGES = [ROOT / "README.md", ROOT / "docs" / "README.md", *GUIDES]
"""Pages whose fences are executed; those of the cookbook are, and their answers checked, in a test of its own."""

REASONS = {
    "it installs the environment": 3,
    "it serves until stopped": 4,
    "it needs the network": 4,
    "it needs vendor files": 3,
    "it needs a cluster": 4,
    "it needs credentials": 3,
    "it needs a session that has traded": 2,
    "it waits for the clock": 2,
}
"""Why a fence may not be executed, and how many fences of all pages may plead it."""

EXECUTED = ("sh", "console", "python", "sql")

_FENCE = re.compile(r"^```(.*)$")
_COMMENT = re.compile(r"^<!--\s*(run|file|answer)(?::\s*(.*?))?\s*-->$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+\s+(.*?)\s*$")


@dataclass(frozen=True)
class Fence:
    """One fenced block.

    Attributes:
        page, line: where it begins.
        language: what follows the opening backquotes.
        text: its lines.
        answer: it shows the answer to the query above it.
        file: path below the working folder that it is written to, if it is a file.
        slow: only with the slow tests.
        exit_code: what its commands must end with.
        reason: why it is not executed; empty if it is.
    """

    page: Path
    line: int
    language: str
    text: str
    answer: bool = False
    file: str | None = None
    slow: bool = False
    exit_code: int = 0
    reason: str = ""

    @property
    def executed(self) -> bool:
        return self.language in EXECUTED and not self.file and not self.reason

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fences(page: Path) -> list[Fence]:
    """All fences of a page, in order; ValueError for a directive that nobody understands."""
    found, directive, opened = [], "", None
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.match(line.strip())
        if opened is None and fence:
            opened, language, lines = number, fence[1].strip(), []
        elif opened is not None and line.strip() == "```":
            found.append(_fence(page, opened, language, "\n".join(lines), directive))
            opened, directive = None, ""
        elif opened is not None:
            lines.append(line)
        elif line.strip():
            directive = line.strip()
    if opened is not None:
        raise ValueError(f"{page.name}:{opened}: the fence is not closed")
    return found


def _fence(page: Path, line: int, language: str, text: str, before: str) -> Fence:
    comment = _COMMENT.match(before)
    if comment is None:
        return Fence(page, line, language, text)
    kind, value = comment.groups()
    if kind == "answer":
        return Fence(page, line, language, text, answer=True)
    if kind == "file":
        return Fence(page, line, language, text, file=value)
    if value == "slow":
        return Fence(page, line, language, text, slow=True)
    if code := re.fullmatch(r"exit (\d+)", value):
        return Fence(page, line, language, text, exit_code=int(code[1]))
    if reason := re.fullmatch(r"no, because (.+)", value):
        return Fence(page, line, language, text, reason=reason[1])
    raise ValueError(f"{page.name}:{line}: nobody understands {before!r}")


def starts_empty(page: Path) -> bool:
    """The page makes its own data."""
    return "<!-- root: empty -->" in page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page without its fences."""
    parts = re.split(r"^\s*```.*$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return "\n".join(parts[::2])


def links(page: Path) -> Iterator[str]:
    """Targets of the page's links and pictures."""
    return (match[1] for match in _LINK.finditer(prose(page)))


def anchors(page: Path) -> set[str]:
    """What `#...` may point at: headings in lower case, without punctuation, blanks as hyphens."""
    headings = (match[1] for line in prose(page).splitlines() if (match := _HEADING.match(line)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
