"""What comes with the program: configs, variants, the starter project, recorded data."""
