"""What each command finds out, as functions from values to data; nothing here prints.

A study has the name of its command: `compare`, `gate`, `sweep`, `explain`, `validate`,
`calibrate`, `fuzz`.
"""
