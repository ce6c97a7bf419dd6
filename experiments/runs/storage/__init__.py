"""Results on disk: a folder whose files appear whole or not at all.

Start reading at `store` (one folder per run); `journal` keeps the finished runs of a study.
"""
