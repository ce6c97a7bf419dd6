"""Where an application's libraries meet the world: each seam leads a simulated thread to simulated
time, chance or stores, and leaves everybody else alone (`runtime` knows whose thread it is).
"""
