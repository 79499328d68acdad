#!/bin/sh
# Replaces a server: the new one starts when the old one is gone, whoever has its pid by then.
#
# $ ./restart.sh
# 4242:918273
# $ ./restart.sh
# 4242  sleep  killed 15 TERM
# 4243:918274
set -eu
token=server.token

# Without a token this is the first start.
if test -s "$token"; then
    exithand kill --timeout 5s --missing ok - < "$token"
fi

sleep 60 > /dev/null 2>&1 &
# The boot's id makes the token of yesterday's boot nobody's.
exithand id --boot $! > "$token"
exithand id $!
