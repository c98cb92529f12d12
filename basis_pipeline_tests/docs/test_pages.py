"""Every command in the README and the guides runs, every link leads somewhere, every page is found from the index."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import BasisError
from basis_pipeline_tests.docs.checkout import Checkout, assert_shown, make_checkout, sessions
from basis_pipeline_tests.docs.pages import GUIDES, PAGES, REASONS, ROOT, anchors, fences, links, starts_empty

PACKAGE, TROUBLESHOOTING = ROOT / "basis_pipeline", ROOT / "docs" / "guides" / "troubleshooting.md"
CODE = re.compile(r"\b(?!SHA-)[A-Z]{2,8}-\d{3}\b")
INDEX = ROOT / "docs" / "README.md"
WRITTEN = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]
"""Pages whose links are followed."""


def titles(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.fixture
def checkout(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Checkout]]:
    def made(page: Path) -> Checkout:
        root = None if starts_empty(page) else request.getfixturevalue("sample_root")
        return make_checkout(tmp_path / "checkout", root)

    yield made
    shutil.rmtree(tmp_path / "checkout", ignore_errors=True)


def run(page: Path, checkout: Callable[[Path], Checkout], *, slow: bool) -> None:
    todo = [fence for fence in fences(page) if fence.file or (fence.executed and (slow or not fence.slow))]
    copy = checkout(page)
    for fence in todo:
        copy.execute(fence)


QUICK = [page for page in PAGES if any(fence.executed and not fence.slow for fence in fences(page))]
SLOW = [page for page in PAGES if any(fence.executed and fence.slow for fence in fences(page))]


@pytest.mark.parametrize("page", QUICK, ids=titles(QUICK))
def test_every_command_of_the_page_does_what_it_says(page: Path, checkout: Callable[[Path], Checkout]) -> None:
    run(page, checkout, slow=False)


@pytest.mark.slow(seconds=300)
@pytest.mark.parametrize("page", SLOW, ids=titles(SLOW))
def test_every_command_of_the_page_does_what_it_says_with_the_slow_ones(
    page: Path, checkout: Callable[[Path], Checkout]
) -> None:
    run(page, checkout, slow=True)


@pytest.mark.parametrize("page", PAGES, ids=titles(PAGES))
def test_every_fence_names_its_language(page: Path) -> None:
    assert not [str(fence) for fence in fences(page) if not fence.language]


def test_what_is_not_executed_says_why_and_there_is_little_of_it() -> None:
    left_out = [fence for page in PAGES for fence in fences(page) if fence.reason]
    assert not [f"{fence}: {fence.reason}" for fence in left_out if fence.reason not in REASONS]
    counts = Counter(fence.reason for fence in left_out)
    assert not {reason: count for reason, count in counts.items() if count > REASONS[reason]}


def test_the_index_links_every_guide() -> None:
    found = {(INDEX.parent / target.partition("#")[0]).resolve() for target in links(INDEX)}
    assert not [page.name for page in GUIDES if page not in found]


@pytest.mark.parametrize("page", WRITTEN, ids=titles(WRITTEN))
def test_every_link_of_the_page_leads_somewhere(page: Path) -> None:
    dead = []
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            dead.append(target)
    assert not dead


def test_troubleshooting_explains_every_error_code_and_no_other() -> None:
    used = set(CODE.findall("\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))))
    headings = re.findall(r"^### (\S+)$", TROUBLESHOOTING.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert {"CONFIG-001", "STORE-004", "GATE-001"} < used
    assert set(headings) == used


def test_every_exception_of_the_package_has_a_code_that_is_explained() -> None:
    codes = {kind.default_code for kind in family(BasisError)}
    assert codes <= set(CODE.findall(TROUBLESHOOTING.read_text(encoding="utf-8")))


def family(kind: type[BasisError]) -> Iterator[type[BasisError]]:
    yield kind
    for derived in kind.__subclasses__():
        yield from family(derived)


def test_output_is_compared_in_order_without_borders_and_with_elisions() -> None:
    shown = "┃ mode ┃ return ┃\n│ btc_basis │ 6.52% │\nreport: /tmp/x/y.html\n"
    assert_shown(["mode  return", "| btc_basis | 6.52% |", "report: … y.html"], shown, "here")
    for wrong in (["6.53%"], ["report", "mode"], ["… x.html"]):
        with pytest.raises(AssertionError, match="is not shown"):
            assert_shown(wrong, shown, "here")


def test_console_commands_keep_their_output_and_their_continuation() -> None:
    text = "$ basis modes \\\n    --x\nmode\n$ true"
    assert list(sessions(text)) == [("basis modes \\\n    --x", ["mode"]), ("true", [])]
