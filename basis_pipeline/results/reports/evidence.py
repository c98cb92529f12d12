"""What stands behind the figures of a report: gates, data used, configuration, orders, events."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from basis_pipeline.domain.evidence import GateResult, GateStatus, SeriesUsage
from basis_pipeline.results.metrics import stamps_of
from basis_pipeline.results.reports.record import Record
from basis_pipeline.results.reports.text import (
    DASH,
    Html,
    joined,
    moment,
    money,
    pairs,
    percent,
    plain,
    quantity,
    table,
    tag,
    toned,
)

MAX_ORDERS, MAX_EVENTS = 1_000, 200
_COSTS = ("Fee", "Slippage", "Gas")

_MARKS = {GateStatus.PASSED: "✓", GateStatus.WARNED: "!", GateStatus.FAILED: "✕"}


def verdicts(gates: tuple[GateResult, ...]) -> Iterator[Html]:
    """Marks with the number of gates by status."""
    for status in GateStatus:
        if number := sum(gate.status is status for gate in gates):
            yield tag("span", f"{_MARKS[status]} {number}", class_=f"mark {status}")


def gates_table(record: Record) -> Html:
    months = [month.manifest.month for month in record.months]
    names = dict.fromkeys(gate.gate for month in record.months for gate in month.manifest.gates)
    found = {(gate.gate, month.manifest.month): gate for month in record.months for gate in month.manifest.gates}
    rows = []
    for name in names:
        verdicts = [found.get((name, month)) for month in months]
        severity = next(gate.severity for gate in verdicts if gate)
        rows.append([name, severity, *(_mark(gate) for gate in verdicts)])
    return table(["Gate", "Severity", *(month[2:] for month in months)], rows, "kk" + "c" * len(months))


def mark(status: GateStatus) -> Html:
    """A sign and a colour for a verdict, and its name for those who see neither."""
    return tag("span", _MARKS[status], class_=f"mark {status}", role="img", aria_label=str(status))


def _mark(gate: GateResult | None) -> Html:
    if gate is None:
        return Html(DASH)
    value = "" if gate.value is None else f"{gate.value:.6g} "
    title = f"{value}(held against: {gate.threshold}). {gate.message}"
    attributes = {"class_": f"mark {gate.status}", "role": "img", "aria_label": str(gate.status), "title": title}
    return tag("span", _MARKS[gate.status], **attributes)


def gate_findings(record: Record) -> Html:
    """What did not pass, in words."""
    rows = [
        [month.manifest.month, _mark(gate), gate.gate, quantity(gate.value), gate.threshold, gate.message]
        for month in record.months
        for gate in month.manifest.gates
        if gate.status is not GateStatus.PASSED
    ]
    if not rows:
        return tag("p", "Every gate passed in every month.", class_="note")
    return table(["Month", "", "Gate", "Value", "Held against", "What was found"], rows, "kckntt")


def data_table(record: Record) -> Html:
    series: dict[str, list[SeriesUsage]] = {}
    for month in record.months:
        for usage in month.manifest.data_usage.series:
            series.setdefault(usage.name, []).append(usage)
    rows = []
    for name, parts in series.items():
        used = sum(part.rows for part in parts)
        counts = [sum(getattr(part, kind) for part in parts) for kind in ("filled", "proxied", "corrected")]
        share = percent(counts[0] / used) if used and counts[0] else ""
        whole = "yes" if all(part.complete for part in parts) else "no"
        versions = {generation for part in parts for generation in part.generations.values()}
        latest = parts[-1].generations.get(record.latest.month, DASH)
        written = (f"{count:,}" if count else "" for count in counts)
        rows.append([name, len(parts), f"{used:,}", *written, share, whole, len(versions), tag("code", latest[:12])])
    counted = ("Months", "Values used", "Filled", "Proxied", "Corrected", "Share filled")
    head = ("Series", *counted, "Complete", "Files", "Latest file")
    return table(head, rows, "knnnnnncnk", label="Series used")


def stand_ins(record: Record) -> Html:
    said = dict.fromkeys(text for month in record.months for text in month.manifest.data_usage.stand_ins)
    if not said:
        return Html("")
    return tag("ul", joined(tag("li", text) for text in said), class_="plain")


def configuration(record: Record) -> Html:
    latest = record.latest
    digests = dict.fromkeys(month.manifest.config_digest for month in record.months)
    facts = pairs(
        [
            ("Data root", tag("code", record.origin.root or DASH)),
            ("Vendor files", tag("code", "synthetic sample" if record.origin.synthetic else record.origin.raw or DASH)),
            ("Configuration digest", tag("code", ", ".join(digests))),
            ("Data version", tag("code", latest.data_version)),
            ("Engine", latest.engine_version),
            ("Opened in", latest.opening_month),
            ("Capital", f"{money(latest.initial_capital, latest.share_class)} {latest.share_class}"),
            ("Published", latest.published_at),
            ("Run", tag("code", latest.run_id)),
        ]
    )
    whole = tag("pre", yaml.safe_dump(latest.config, sort_keys=False, allow_unicode=True))
    return facts + tag("details", tag("summary", "The whole configuration as it was resolved") + whole)


# What happened


def orders_table(record: Record) -> Html:
    orders = record.tables["orders"]
    latest = orders.slice(max(0, orders.num_rows - MAX_ORDERS))
    rows = [
        [
            moment(stamp),
            row["action"],
            row["venue"],
            row["operation"],
            tag("span", row["side"], class_="gain" if row["side"] == "buy" else "loss") if row["side"] else "",
            _acted_on(row),
            quantity(row["filled"]),
            money(row["price"], "USDT"),
            plain(row["fee"]),
            plain(row["slippage"]),
            plain(row["gas"]),
            row["status"] if not row["error_code"] else f"{row['status']}: {row['error_code']} {row['error_message']}",
            " · ".join(filter(None, (row["reason"], row["tag"]))),
        ]
        for stamp, row in zip(stamps_of(latest).tolist(), latest.to_pylist(), strict=True)
    ]
    head = (
        "Time (UTC)",
        "Action",
        "Venue",
        "Operation",
        "Side",
        "Position",
        "Filled",
        "Price",
        *_COSTS,
        "Status",
        "Reason",
    )
    return tag("div", table(head, rows[::-1], "kkkkkknnnnnkk", body_id="order-rows"), class_="long")


def _acted_on(row: dict[str, str]) -> str:
    """The position of a trade; where from and where to of everything else."""
    return row["position_key"] if row["side"] else f"{row['position_key']} → {row['counter_position_key']}"


def settlements_table(record: Record) -> Html:
    """What changed positions without an order: funding, rewards, flows, and exits that a venue carried out."""
    deltas = record.tables["deltas"]
    settled = deltas.filter(pc.equal(deltas["operation_id"], 0))
    if not settled.num_rows:
        return tag("p", "Nothing but orders changed a position.", class_="note")
    amounts = [("delta_amount", "count"), ("delta_amount", "sum"), ("fee", "sum"), ("timestamp", "max")]
    plain_keys = settled.set_column(
        settled.schema.get_field_index("timestamp"), "timestamp", settled["timestamp"].cast(pa.int64())
    )
    sums = plain_keys.group_by(["source", "position_key"], use_threads=False).aggregate(amounts)
    rows = [
        [
            row["source"].replace("_", " "),
            row["position_key"],
            f"{row['delta_amount_count']:,}",
            toned(row["delta_amount_sum"], quantity(row["delta_amount_sum"])),
            plain(row["fee_sum"]) if row["fee_sum"] else "",
            moment(row["timestamp_max"]),
        ]
        for row in sums.to_pylist()
    ]
    head = ("What", "Position", "Times", "Sum, stored units", "Fees, USDT", "Last (UTC)")
    return table(head, rows, "kknnnk", label="Settlements and flows", sortable=True)


def events_table(record: Record) -> Html:
    events = record.tables["events"]
    loud = events.filter(pc.not_equal(events["severity"], "info"))
    if not loud.num_rows:
        return tag("p", "Nothing above severity info.", class_="note")
    latest = loud.slice(max(0, loud.num_rows - MAX_EVENTS))
    rows = [
        [moment(stamp), row["severity"], row["event_type"], row["message"]]
        for stamp, row in zip(stamps_of(latest).tolist(), latest.to_pylist(), strict=True)
    ]
    return tag("div", table(("Time (UTC)", "Severity", "Type", "Message"), rows[::-1], "kkkt"), class_="long")
