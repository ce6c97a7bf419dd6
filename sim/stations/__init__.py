"""Where simulated time passes: processor sharing, pools with queues, a mutual-exclusion server.

Every station blocks the calling kernel thread and nothing else; start reading at `cpu`.
"""
