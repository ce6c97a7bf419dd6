"""What customers of tests have seen: the application's modules are made anew, this one is not."""

ANSWERS: list = []
ROWS: dict = {}
KEPT: list = []
