#!/bin/sh
# Measure how often a thread that is told of a connection comes too late, on one core of this
# machine: the rows of BorrowRace.java on standard output. Needs a JDK and a core that is not busy;
# takes a minute a repeat.
#
#     tools/thread_races/borrow_race.sh [REPEATS]
set -eu
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
javac -d "$folder" Work.java BorrowRace.java
for _ in $(seq "${1:-2}"); do
    for work in "0.25 0.3 0.1 3 0 1 0" "0.25 0.3 0.1 3 1 1 0" "0.8 0.8 0.1 3 0 1 0" \
        "0.8 0.8 0.1 3 1 1 0" "2 2 0.15 4 1 3 0" "2 2 0.15 4 1 3 0.3" "2 2 0.15 4 1 1 0"; do
        # shellcheck disable=SC2086
        taskset -c 0 java -XX:ActiveProcessorCount=1 -cp "$folder" BorrowRace 200 $work 3
    done
done
