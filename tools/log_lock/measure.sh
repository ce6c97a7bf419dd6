#!/bin/sh
# Measure where threads wait on this machine. One row for each kind of work and output goes to
# standard output: output, work without, of a trace and with a connection (ms), repeat, and the
# values of LogLock.java. Needs a JDK and two cores; takes two minutes a repeat. Everything runs on
# core 1; "other" has the log's reader on core 0.
#
#     tools/log_lock/measure.sh [REPEATS]
set -eu
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
javac -d "$folder" LogLock.java
run() { taskset -c 1 java -Xmx256m -XX:+UseSerialGC -cp "$folder" LogLock "$@" 0.04 6; }
for repeat in $(seq "${1:-2}"); do
    for work in "50 2.0 3.1 0.8" "100 2.0 3.1 0.8" "190 0.35 1.6 0.25"; do
        # shellcheck disable=SC2086
        {
            run $work 2>"$folder/file" >"$folder/log"
            run $work 2>"$folder/same" | taskset -c 1 cat >"$folder/log"
            run $work 2>"$folder/other" | taskset -c 0 cat >"$folder/log"
        }
        for output in file same other; do
            echo "$output,$(echo "$work" | cut -d' ' -f2- | tr ' ' ','),$repeat,$(cat "$folder/$output")"
        done
    done
done
