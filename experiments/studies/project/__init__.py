"""`ticketsim init --app MODULE:APP`: a project beside an application.

Start with `write` (the files); `look` sees what the application has.
"""
