"""The tables of README.md from measured.csv."""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

HOT_FROM = 10_000  # rounds with one client; later blocks are taken for hot
HOT_TIMES = 1.5
SPANS = (
    (0, 100),
    (100, 500),
    (500, 1000),
    (1000, 2000),
    (2000, 3000),
    (3000, 5000),
    (5000, 10_000),
    (500, 5000),
    (0, 10_000),
)
COMPILER_S = (2, 3, 4, 6, 8, 10, 12, 15, 18)


@dataclass
class Costs:
    """Processor time per request, in milliseconds."""

    request: float
    c1: float
    c2: float
    gc: float
    other: float

    @property
    def compiler(self) -> float:
        """Both compilers."""
        return self.c1 + self.c2

    @property
    def code(self) -> float:
        """All but the compilers."""
        return self.request + self.gc + self.other


Row = dict[str, str]


def costs(rows: Sequence[Row]) -> Costs:
    """Per request of these rows together."""
    requests = sum(int(row["requests"]) for row in rows)
    per = {
        each.name: sum(float(row[f"{each.name}_s"]) for row in rows) * 1000 / requests
        for each in fields(Costs)
    }
    return Costs(**per)


def between(rows: Sequence[Row], first: int, last: int) -> list[Row]:
    """The blocks of the first load in this span of rounds."""
    return [row for row in rows if row["phase"] == "load" and first < int(row["rounds"]) <= last]


def share(cold: Costs, hot: float) -> float:
    """Of what this costs beyond hot code, the compiler's part."""
    return cold.compiler / (cold.compiler + cold.code - hot)


def compiling(row: Row) -> float:
    """The compilers' seconds in this row."""
    return float(row["c1_s"]) + float(row["c2_s"])


def by_compiler(rows: Sequence[Row]) -> Iterator[str]:
    """What requests cost without the compilers when these have had so many seconds."""
    had = 0.0
    for row in between(rows, 0, 10**9):
        before, had = had, had + compiling(row)
        for seconds in COMPILER_S:
            if before < seconds <= had:
                yield f"{seconds} s: {costs([row]).code:.2f} ms ({row['rounds']} rounds)"


def lines(run: str, rows: Sequence[Row], hot: float) -> Iterator[str]:
    """What one run says, with what a request costs hot."""
    yield f"\n{run}: hot {hot:.3f} ms"
    yield "| rounds | code | C1 | C2 | of it GC | times hot | c | c if hot is 10 % less | core |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for first, last in SPANS:
        part = between(rows, first, last)
        if not part or int(part[-1]["rounds"]) < last:
            continue
        cold = costs(part)
        spent = sum(float(row["wall_s"]) for row in part)
        used = sum(float(row["process_s"]) for row in part)
        yield (
            f"| {first} to {last} | {cold.code:.3f} | {cold.c1:.3f} | {cold.c2:.3f}"
            f" | {cold.gc:.3f} | {(cold.code + cold.compiler) / hot:.2f}"
            f" | {share(cold, hot):.3f} | {share(cold, 0.9 * hot):.3f} | {used / spent:.2f} |"
        )
    blocks = [(row["rounds"], costs([row])) for row in between(rows, 0, 10**9)]
    limit = HOT_TIMES * hot
    with_compiler = [rounds for rounds, cost in blocks if cost.code + cost.compiler <= limit]
    code_alone = [rounds for rounds, cost in blocks if cost.code <= limit]
    yield (
        f"within {HOT_TIMES} times hot: with the compilers {(*with_compiler, 'never')[0]},"
        f" code alone {(*code_alone, 'never')[0]} rounds"
    )
    yield "cost of code against the compilers' seconds: " + ", ".join(by_compiler(rows))
    left = [compiling(row) for row in rows if row["phase"] == "after"]
    yield "compiler after the loads, by second: " + " ".join(f"{s:.2f}" for s in left)
    again = [row for row in rows if row["phase"] == "again"]
    for clients in dict.fromkeys(row["clients"] for row in again):
        cost = costs([row for row in again if row["clients"] == clients])
        yield f"again with {clients}: code {cost.code:.3f}, compilers {cost.compiler:.3f} ms"


def hot_costs(runs: dict[str, list[Row]]) -> dict[str, float]:
    """What a request costs hot, by run; with more clients, in JVMs that one client has heated."""
    heated = {run: rows for run, rows in runs.items() if between(rows, HOT_FROM, 10**9)}
    alone = {
        run: costs(between(rows, HOT_FROM, 10**9)).code
        for run, rows in heated.items()
        if rows[0]["clients"] == "1"
    }
    many = [row for run in alone for row in runs[run] if row["phase"] == "again"]
    by_clients = {
        clients: costs([row for row in many if row["clients"] == clients]).code
        for clients in {row["clients"] for row in many} - {"1"}
    }
    typical = sorted(alone.values())[len(alone) // 2]
    return {
        run: alone.get(run, by_clients.get(rows[0]["clients"], typical))
        for run, rows in runs.items()
    }


def main() -> None:
    """All runs of the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path, nargs="?", default=Path(__file__).parent / "measured.csv")
    runs: defaultdict[str, list[Row]] = defaultdict(list)
    with parser.parse_args().csv.open(newline="") as file:
        for row in csv.DictReader(file):
            runs[row["run"]].append(row)
    hot = hot_costs(runs)
    for run, rows in runs.items():
        print("\n".join(lines(run, rows, hot[run])))


if __name__ == "__main__":
    main()
