"""`ticketsim report`: a folder of results as one HTML page that needs nothing else.

Start at `read.py` (what a folder holds), then `run_page.py` and its siblings (what a reader is
told, as plain values), then `render.py` (those values as HTML; `page.html` and `page.css`).
"""
