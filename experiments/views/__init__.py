"""What people see of results.

`text` is for the terminal, `plots` are figures, `report` are HTML pages, and the live view of a
run is in `live_view`.
"""
