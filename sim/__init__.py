"""The world: simulated time, machines, queues, memory, customers, faults and measurement.

Start reading at `sim.run`. A run's input is `sim.world.World`, its output `sim.result.RunResult`.
"""
