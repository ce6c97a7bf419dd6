"""Files and protocols of other programs: k6 options in, k6 and OpenMetrics results out, HTTP."""
