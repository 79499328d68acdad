#!/bin/sh
# Runs jobs side by side, and stops the others when one fails.
#
# $ ./first-failure.sh; echo $?
# 4242  sh  exited 0
# 4243  sh  exited 1
# stopping the others
# 4244  sh  killed 15 TERM
# 1
set -eu

left=
for job in 'sleep 1; exit 0' 'sleep 2; exit 1' 'sleep 60; exit 0'; do
    sh -c "$job" &
    # A token, so that no later process is waited for or stopped in a job's place.
    left="$left $(exithand id $!)"
done

while test -n "$left"; do
    # shellcheck disable=SC2086 # one word for each job
    if ! result=$(exithand wait --any --propagate $left); then
        echo "$result"
        echo "stopping the others"
        # shellcheck disable=SC2086
        exithand kill --missing ok $left | grep killed
        exit 1
    fi
    echo "$result"
    # shellcheck disable=SC2086 # those who are still there
    left=$(exithand id --missing ok $left)
done
