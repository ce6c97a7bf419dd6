"""Things that go wrong at a given time.

`settings` says what a config can ask for, `injection` makes it happen: a new kind is a dataclass
there and a method here.
"""
