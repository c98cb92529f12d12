"""A look over the raw folder: which files there are, what they are, and which cannot be used."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from basis_pipeline.domain.errors import DataError
from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import PROVENANCE_SUFFIX, SeriesKey
from basis_pipeline.market_data.findings import Finding, RawFileError
from basis_pipeline.market_data.reports import FileReport, FileStatus
from basis_pipeline.market_data.rules.placeholders import copy_findings
from basis_pipeline.market_data.sources import candidates, nearly, recognise
from basis_pipeline.market_data.sources.layout import Recognition
from basis_pipeline.market_data.sources.raw_files import TABULAR, UNREADABLE, FileHead, RawFile, files_below

_DATA_SUFFIXES = (*TABULAR, ".json")
_SUMS = "SHA256SUMS"
_SUM_LINE = re.compile(r"^(?P<sha>[0-9a-f]{64}) [ *](?P<path>.+)$")


@dataclass(frozen=True)
class Scan:
    """Files by what they are.

    Attributes:
        recognised: usable files by series.
        reports: files that are settled already: ignored, rejected, unrecognised, failed.
        blocked: series that a failed file belongs to, by name alone; "" as the venue stands for any.
        digests: sha256 by file name of all data files, usable or not.
    """

    recognised: dict[SeriesKey, list[Recognition]] = field(default_factory=dict)
    reports: list[FileReport] = field(default_factory=list)
    blocked: set[SeriesKey] = field(default_factory=set)
    digests: dict[str, str] = field(default_factory=dict)


def scan(raw: Path, corrections: Corrections, progress: ProgressCallback) -> Scan:
    """Find, hash and recognise every file below `raw`.

    Raises:
        DataError: the folder does not exist, or one in it cannot be listed.
    """
    if not raw.is_dir():
        raise DataError(f"raw folder {raw} does not exist.", remedy="point BASIS_RAW_DIR at the vendor files.")
    paths = files_below(raw)
    result, files = Scan(), []
    for done, path in enumerate(paths, start=1):
        try:
            files.append(RawFile.at(path, raw))
        except RawFileError as error:
            file = RawFile(path, path.relative_to(raw).as_posix(), UNREADABLE, 0)
            result.digests[file.name] = file.sha256
            _fail(file, error.finding, corrections, result)
        progress("scan", done, len(paths))
    wrong_sums = _wrong_sums(files)
    found = []
    for file in files:
        recognition = _recognise(file, corrections, result, wrong_sums)
        if recognition:
            found.append(recognition)
    copies = copy_findings(found)
    for recognition in found:
        _place(recognition, copies.get(recognition.file.name), result)
    return result


def _recognise(
    file: RawFile, corrections: Corrections, result: Scan, wrong_sums: dict[str, Finding]
) -> Recognition | None:
    if documentation := _documentation(file):
        ignored = (Finding("INFO", "documentation", documentation, file=file.name), *_listed(file, wrong_sums))
        result.reports.append(report(file, "ignored", *ignored))
        return None
    result.digests[file.name] = file.sha256
    if file.name in wrong_sums:
        _fail(file, wrong_sums[file.name], corrections, result)
        return None
    try:
        recognition = recognise(file, corrections)
    except RawFileError as error:
        _fail(file, error.finding, corrections, result)
        return None
    if recognition is None:
        result.reports.append(report(file, "unrecognised", _unknown(file)))
    return recognition


def _fail(file: RawFile, finding: Finding, corrections: Corrections, result: Scan) -> None:
    result.reports.append(report(file, "failed", finding))
    result.blocked.update(_keys_by_name(file, corrections))


def _place(recognition: Recognition, copied: Finding | None, result: Scan) -> None:
    file, layout = recognition.file, recognition.layout
    if copied:
        result.reports.append(report(file, "rejected", copied, recognition=recognition))
    elif layout.read is None and not layout.price:
        unused = Finding("INFO", "unused_layout", f"not read: {layout.unused}.", file=file.name)
        result.reports.append(report(file, "ignored", unused, recognition=recognition))
    else:
        result.recognised.setdefault(recognition.key, []).append(recognition)


def report(
    file: RawFile, status: FileStatus, *findings: Finding, recognition: Recognition | None = None, rows: int = 0
) -> FileReport:
    """A file report from a raw file."""
    key = recognition.key if recognition and recognition.key.dataset else None
    title = recognition.layout.title if recognition else ""
    return FileReport(file.name, status, key, title, rows, file.sha256, file.size, findings)


def _documentation(file: RawFile) -> str:
    if file.path.name.startswith("."):
        return "a hidden file."
    if file.path.suffix.lower() == ".md" or file.path.name == _SUMS:
        return "documentation."
    if file.path.name.endswith(PROVENANCE_SUFFIX):
        return "says where the file beside it was downloaded from."
    return ""


def _unknown(file: RawFile) -> Finding:
    message = "no layout has files of this name."
    remedy = "rename it as its vendor does, move it out of the raw folder, or add a layout in market_data/sources."
    if near := nearly(file.name):
        message = f"named nearly like {near.title}; it is not read."
        remedy = f"unpack or rename it: the suffix is {' or '.join(near.suffixes)}, the venue in lower case, no dashes."
    severe = near is not None or file.path.suffix in _DATA_SUFFIXES
    return Finding("ERROR" if severe else "WARN", "unrecognised_file", message, remedy, file=file.name)


def _keys_by_name(file: RawFile, corrections: Corrections) -> set[SeriesKey]:
    empty = FileHead(())
    named = [(layout, layout.match(file.name) or {}) for layout in candidates(file.name) if layout.read]
    return {layout.identify(name, empty, corrections) for layout, name in named}


def _wrong_sums(files: list[RawFile]) -> dict[str, Finding]:
    """By file name: what contradicts a SHA256SUMS beside or above it; under the name of the list what it lacks."""
    by_name = {file.name: file for file in files}
    wrong: dict[str, Finding] = {}
    for sums in files:
        if sums.path.name != _SUMS:
            continue
        folder = sums.name.removesuffix(_SUMS)
        lines = [_SUM_LINE.match(line) for line in sums.path.read_text(encoding="utf-8").splitlines()]
        listed = {folder + line["path"].removeprefix("./"): line["sha"] for line in lines if line}
        for name, sha in listed.items():
            if name in by_name and by_name[name].sha256 != sha:
                message = f"differs from {sums.name}: the file was altered or damaged."
                wrong[name] = Finding("ERROR", "checksum", message, "download it again.", file=name)
        if absent := sorted(set(listed) - set(by_name)):
            message = f"lists {len(absent)} files that are not there: {', '.join(absent[:3])}."
            wrong[sums.name] = Finding("WARN", "missing_file", message, file=sums.name, count=len(absent))
    return wrong


def _listed(file: RawFile, wrong_sums: dict[str, Finding]) -> tuple[Finding, ...]:
    return (wrong_sums[file.name],) if file.name in wrong_sums else ()
