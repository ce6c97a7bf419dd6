#!/bin/sh
# Measure how long threads wait for a monitor on one core of this machine: the rows of
# MonitorRace.java on standard output. Needs a JDK and a core that is not busy; takes half a minute a
# repeat.
#
#     tools/thread_races/monitor_race.sh [REPEATS]
set -eu
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
javac -d "$folder" Work.java MonitorRace.java
for _ in $(seq "${1:-2}"); do
    for work in "190 0.35 1.1 0.25 0.04 8 0.5" "100 2.0 2.1 0.8 0.04 8 1.0"; do
        # shellcheck disable=SC2086
        taskset -c 0 java -XX:ActiveProcessorCount=1 -cp "$folder" MonitorRace $work
    done
done
