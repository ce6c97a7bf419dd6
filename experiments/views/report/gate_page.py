"""The page of `ticketsim gate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from experiments.statistics.intervals import mean
from experiments.studies.gate.decision import Check, GateResult, Outcome
from experiments.studies.saved_results import SavedGate
from experiments.views import plots
from experiments.views.report.content import Level, Page, PageTable, Section, Sentence, made_by
from experiments.views.report.explanations import explained
from experiments.views.report.run_verdict import causes
from experiments.views.text.gate_text import conclusion, in_check_unit, next_steps
from experiments.views.text.verdict_text import has_seats, people_sentence, seats_sentence

_LEVELS: Final[Mapping[Outcome, Level]] = {
    "pass": "held",
    "fail": "failed",
    "inconclusive": "open",
}


def gate_page(kept: SavedGate) -> Page:
    """What a reader is told about a gate."""
    gate = kept.gate
    return Page(
        title=f"{gate['config']}: thresholds",
        subtitle="Decided on confidence bounds of the mean over independent runs.",
        facts=_facts(gate),
        level=_LEVELS[gate["outcome"]],
        badge=f"The gate: {conclusion(gate)}.",
        sentences=_sentences(gate),
        tiles=[],
        sections=[*_checks(gate), *_runs(gate)],
        footer=[
            f"False alarms: at most {100 * gate['false_alarm_rate']:g} % of gates.",
            "A gate keeps no time series: ticketsim run with --out does.",
            made_by(kept.manifest, gate["digest"]),
        ],
        partial="The user interrupted it; the same command with the same --out goes on."
        if gate["partial"]
        else "",
    )


def _facts(gate: GateResult) -> list[str]:
    facts = [f"{gate['replications']} runs"]
    if gate["scale"] < 1:
        facts.append(f"at {gate['scale']:g} of the full size")
    return [*facts, f"seed {gate['seed']}"]


def _sentences(gate: GateResult) -> list[Sentence]:
    found = []
    for outcome, word in (("fail", "not met"), ("inconclusive", "not decided")):
        names = [_said(check) for check in gate["checks"] if check["outcome"] == outcome]
        if names:
            found.append(f"{len(names)} of {len(gate['checks'])} {word}: {'; '.join(names)}.")
    if not found:
        found.append(f"All {len(gate['checks'])} are met.")
    verdict = gate.get("verdict")
    told = []
    if verdict is not None and has_seats(verdict):
        told.append(Sentence(f"{seats_sentence(verdict)}.", "Seats:"))
        told.append(Sentence(f"{people_sentence(verdict)}.", "People:"))
    advised = [Sentence(f"{text}.", "Next:") for text in next_steps(gate)]
    return [*map(Sentence, found), *told, *_why(gate), *advised]


def _said(check: Check) -> str:
    value = "no samples" if check["value"] is None else f"is {in_check_unit(check, check['value'])}"
    return f"{check['name']} ({value})"


def _why(gate: GateResult) -> list[Sentence]:
    if gate["outcome"] == "pass":
        return []
    errors = {
        str(index): {
            name: count for counts in run["errors"].values() for name, count in counts.items()
        }
        for index, run in enumerate(gate["runs"])
    }
    found = causes(errors)
    total = sum(found.values())
    if not total:
        return []
    parts = [
        f"{explained(name)}, {100 * count / total:.0f} %" for name, count in found.most_common(2)
    ]
    return [Sentence(f"{'; '.join(parts)}.", "Why requests failed:")]


def _checks(gate: GateResult) -> Iterator[Section]:
    yield Section(
        "Thresholds",
        table=PageTable(
            ["threshold", "outcome", "mean", "bounds", "runs", "reason"],
            [_check(check) for check in gate["checks"]],
            frozenset({0, 1, 5}),
            [_LEVELS[check["outcome"]] for check in gate["checks"]],
        ),
    )


def _check(check: Check) -> list[str]:
    bounds = check["bounds"]
    return [
        check["name"],
        check["outcome"],
        "-" if check["value"] is None else in_check_unit(check, check["value"]),
        " to ".join(in_check_unit(check, end) for end in bounds) if bounds else "-",
        str(check["replications"]),
        check["reason"],
    ]


def _runs(gate: GateResult) -> Iterator[Section]:
    runs = gate["runs"]
    outcomes: dict[str, dict[str, float]] = {}
    for run in runs:
        for endpoint, statuses in run["outcomes"].items():
            row = outcomes.setdefault(endpoint, {})
            for status, count in statuses.items():
                row[status] = row.get(status, 0.0) + count
    if any(sum(row.values()) for row in outcomes.values()):
        yield Section(
            "What became of the requests of each endpoint",
            "All runs together.",
            draw=lambda narrow: plots.outcomes(outcomes, narrow=narrow),
        )
    states = dict.fromkeys(state for run in runs for state in run["funnel"])
    funnel = {state: mean([run["funnel"].get(state, 0.0) for run in runs]) for state in states}
    verdict = gate.get("verdict")
    if verdict is None or has_seats(verdict):
        yield Section(
            "How far people came",
            "Means over the runs; everyone is counted in every step that they reached.",
            draw=lambda narrow: plots.funnel(funnel, narrow=narrow),
        )
    if runs and "http_req_duration" in runs[0]["metrics"]:
        yield Section(
            "How long requests took",
            "The first run, on a logarithmic axis.",
            draw=lambda narrow: plots.latency(runs[0]["metrics"], narrow=narrow),
        )
