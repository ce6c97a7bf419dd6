"""The load generator's executors: how many virtual users there are, and when they iterate.

`settings` are the options, with k6's names, meanings and defaults. `plan` turns them into times,
`looping`, `counted` and `arrivals` carry them out on simulated time on top of `executor`, and
`executors.make_executor` chooses. `user` is what a customer function gets to see. Start reading
at `executors`.
"""
