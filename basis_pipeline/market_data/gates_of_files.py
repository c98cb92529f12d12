"""Gates on files: what is wrong with one before anything of it is used."""

from __future__ import annotations

from basis_pipeline.domain.evidence import GateDescription, GateSeverity

ERROR, WARN = GateSeverity.ERROR, GateSeverity.WARN
_ALL = ("*",)


def data_gate(
    name: str,
    severity: GateSeverity,
    title: str,
    protects_from: str,
    *,
    computed: str,
    threshold: str = "0 files",
    datasets: tuple[str, ...] = _ALL,
    configured: tuple[str, ...] = (),
) -> GateDescription:
    """A gate on market data in words; without datasets it is for all of them."""
    return GateDescription(
        name=name,
        severity=severity,
        title=title,
        protects_from=protects_from,
        computed=computed,
        threshold=threshold,
        configured=configured,
        datasets=datasets,
    )


FILE_GATES: tuple[GateDescription, ...] = (
    data_gate(
        "unrecognised_file",
        ERROR,
        "Every data file is of a known layout",
        "vendor data that nobody reads",
        computed="name of the file against all layouts; WARN where the suffix is none of data",
    ),
    data_gate(
        "wrong_columns",
        ERROR,
        "A file has the columns of its layout",
        "values of another column under a right name",
        computed="header of the file against its layout",
    ),
    data_gate(
        "wrong_content",
        ERROR,
        "A file says what its layout says",
        "a unit, a key or a date range that is another one",
        computed="constant columns, nested keys and stated ranges against the layout",
    ),
    data_gate(
        "checksum",
        ERROR,
        "A file is the one its list of checksums names",
        "a file that was altered or damaged",
        computed="SHA-256 of the file against SHA256SUMS beside or above it",
    ),
    data_gate(
        "missing_file",
        WARN,
        "Every file of a list of checksums is there",
        "a download that ended early",
        computed="names in SHA256SUMS against the folder",
    ),
    data_gate("empty_file", ERROR, "A file has rows", "a download that failed in silence", computed="bytes, rows"),
    data_gate(
        "declared_empty",
        WARN,
        "No file is known to be empty",
        "taking a known gap of the vendor for data",
        computed="files without rows that configs/data/*.yaml declares",
    ),
    data_gate(
        "unreadable_file",
        ERROR,
        "A file can be read to its end",
        "half a file, binary rubbish, a broken archive",
        computed="parsing of every row",
    ),
    data_gate(
        "changed_file",
        ERROR,
        "A file keeps still while it is read",
        "half of a download, under the checksum of another half",
        computed="size and time of the file before it was hashed and after it was read",
    ),
    data_gate(
        "bad_stamp",
        ERROR,
        "Every stamp is a time",
        "rows at a time that nobody meant",
        computed="parsing of the stamps of every row",
        threshold="0 rows",
    ),
    data_gate(
        "bad_range",
        ERROR,
        "An announced amount is a number or a range",
        "a reward that is read from a text as something else",
        computed="numbers in the text of the amount",
        threshold="0 rows",
    ),
    data_gate(
        "time_order",
        ERROR,
        "Time runs forward",
        "two files pasted together, a sort that went wrong",
        computed="differences of successive stamps",
        threshold="0 rows",
    ),
    data_gate(
        "unused_layout",
        WARN,
        "No file is of a layout that nothing takes",
        "believing that a file is in use",
        computed="files of layouts without a dataset",
    ),
    data_gate(
        "copied_file",
        WARN,
        "No file is a copy of another one",
        "a venue that is another venue's data",
        computed="prices of files of different venues or symbols, byte for byte",
    ),
    data_gate(
        "straight_ramp",
        WARN,
        "No file is a placeholder",
        "prices that somebody drew with a ruler",
        computed="even second differences of all prices of a file",
    ),
    data_gate(
        "schema",
        ERROR,
        "Every value is of its type and within its bounds",
        "impossible values",
        computed="types, NULLs and bounds of the dataset's columns",
        threshold="0 values",
    ),
    data_gate(
        "files_unusable",
        ERROR,
        "A series whose files are there can be built",
        "an old month passing for a new one",
        computed="series of which every file failed",
        threshold="0 series",
    ),
    data_gate(
        "donor_broken",
        ERROR,
        "A source that fills holes is whole",
        "a fill that would have been another one",
        computed="state of the declared donors of a series with holes",
        threshold="0 donors",
    ),
    data_gate(
        "nothing_left",
        ERROR,
        "Something of a series can be used",
        "a file of which every row is set aside in silence",
        computed="series of which no row is left",
        threshold="0 series",
    ),
    data_gate(
        "rows_lost",
        ERROR,
        "No published month disappears from its files",
        "history that a vendor took back",
        computed="published months against the months of the files they came from",
        threshold="0 months",
    ),
)
