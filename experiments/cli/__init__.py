"""The command line. Start reading at `main`.

One file per command, named after it: its options, its output and its exit codes, nothing else. So
this folder has more files than others. `options` holds the options that commands share.
"""
