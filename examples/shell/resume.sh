#!/bin/sh
# Waits for a job, is interrupted, and goes on waiting when it is started again.
#
# $ timeout 1 ./resume.sh; echo $?
# started
# 124
# $ ./resume.sh; echo $?
# goes on
# 4242  sh  exited 3
# 3
set -eu
token=job.token

if test -s "$token"; then
    echo "goes on"
else
    # In a session of its own, so that it outlives this script.
    setsid sh -c 'sleep 3; exit 3' > /dev/null 2>&1 &
    exithand id --boot $! > "$token"
    echo "started"
fi
# The exit status of the job becomes that of this script.
exec exithand wait --propagate - < "$token"
