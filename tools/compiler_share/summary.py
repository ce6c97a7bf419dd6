"""The tables of README.md from measured.csv."""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

HOT_FROM = 15_000  # rounds; later blocks are taken for hot
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
        return self.total - self.compiler

    @property
    def total(self) -> float:
        """All threads."""
        return sum(getattr(self, each.name) for each in fields(self))


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
    """The blocks in this span of rounds."""
    return [row for row in rows if row["phase"] == "load" and first < int(row["rounds"]) <= last]


def share(cold: Costs, hot: Costs) -> float:
    """Of what this costs beyond hot code, the compiler's part."""
    return cold.compiler / (cold.total - hot.code)


def lines(run: str, rows: Sequence[Row]) -> Iterator[str]:
    """The rows of one run."""
    whole = between(rows, HOT_FROM, 10**9)
    if whole:
        hot = costs(whole)
        yield f"\n{run}: hot {hot.code:.3f} ms, compilers {hot.compiler:.3f} beside it"
        yield "| rounds | request | C1 | C2 | GC | other | times hot | compilers | core used |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
        for first, last in SPANS:
            part = between(rows, first, last)
            cold = costs(part)
            spent = sum(float(row["wall_s"]) for row in part)
            busy = cold.total * sum(int(row["requests"]) for row in part) / spent / 1000
            yield (
                f"| {first} to {last} | {cold.request:.3f} | {cold.c1:.3f} | {cold.c2:.3f}"
                f" | {cold.gc:.3f} | {cold.other:.3f} | {cold.total / hot.code:.2f}"
                f" | {share(cold, hot):.3f} | {busy:.2f} |"
            )
        for what, value in (
            ("all", lambda each: each.total),
            ("without the compilers", lambda each: each.code),
        ):
            warm = [
                row["rounds"]
                for row in between(rows, 0, 10**9)
                if value(costs([row])) <= HOT_TIMES * hot.code
            ]
            first_warm = warm[0] if warm else "never"
            yield f"within {HOT_TIMES} times hot ({what}): {first_warm} rounds"
    after = [row for row in rows if row["phase"] == "after"]
    left = [float(row["c1_s"]) + float(row["c2_s"]) for row in after]
    yield f"{run}: compiler after the load, by second: " + " ".join(f"{s:.3f}" for s in left)


def main() -> None:
    """All runs of the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path, nargs="?", default=Path(__file__).parent / "measured.csv")
    runs: defaultdict[str, list[Row]] = defaultdict(list)
    with parser.parse_args().csv.open(newline="") as file:
        for row in csv.DictReader(file):
            runs[row["run"]].append(row)
    for run, rows in runs.items():
        print("\n".join(lines(run, rows)))


if __name__ == "__main__":
    main()
