"""What was measured, beside its goal: one table for people, the same as data."""

from dataclasses import asdict, dataclass

HEADINGS = ("", "measured", "here", "against", "goal", "", "noise")


@dataclass(frozen=True)
class Row:
    """One line of the table; `part` is the letter of the list in docs/performance.md."""

    part: str
    measured: str
    here: str
    against: str = ""
    goal: str = ""
    met: bool | None = None
    noise: float | None = None
    """Share by which the median round is slower than the best one; None for a single round."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as words."""
        mark = "" if self.met is None else "met" if self.met else "MISSED"
        noise = "" if self.noise is None else f"{self.noise:.0%}"
        return (self.part, self.measured, self.here, self.against, self.goal, mark, noise)


class Scoreboard:
    """Rows in the order in which they came."""

    def __init__(self):
        self.rows: list[Row] = []

    def add(self, *cells, **more):
        """Add a `Row`."""
        self.rows.append(Row(*cells, **more))

    def at_least(self, part, measured, value, goal, unit, *, judged=True, **more):
        """Add a number that should be large; without a goal if it is not to be judged."""
        wanted = f"{_written(goal, unit)} or more"
        self._judge(part, measured, value, unit, wanted if judged else "", value >= goal, more)

    def at_most(self, part, measured, value, goal, unit, *, judged=True, **more):
        """Add a number that should be small; without a goal if it is not to be judged."""
        wanted = f"{_written(goal, unit)} or less"
        self._judge(part, measured, value, unit, wanted if judged else "", value <= goal, more)

    def _judge(self, part, measured, value, unit, goal, met, more):
        here = _written(value, unit)
        self.add(part, measured, here, goal=goal, met=met if goal else None, **more)

    def text(self) -> str:
        """A Markdown table that can be read as it is."""
        lines = [HEADINGS, *(row.cells for row in sorted(self.rows, key=lambda row: row.part))]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
        rule = tuple("-" * width for width in widths)
        padded = [
            " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            for line in (lines[0], rule, *lines[1:])
        ]
        return "\n".join(f"| {line} |" for line in padded)

    def data(self) -> list[dict]:
        """The rows as JSON has them."""
        return [asdict(row) for row in self.rows]


def _written(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 1_000 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}"
