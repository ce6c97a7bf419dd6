"""Customer functions, plain blocking Python like a k6 script: `def customer(user): ...`.

`buyer` is the incident's script with its three defects as options (`settings`). `human` is a person
with patience, tabs and a reload key (`human_settings`). `visitor` only waits. A config may name any
other function by import path.
"""
