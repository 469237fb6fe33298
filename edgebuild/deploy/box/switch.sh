# To another release and, unless it is found well, back again.

# The work is done in a session of its own: it ends well or goes back, whether or not the connection lasts.
detach() { (
    trap '' HUP PIPE
    own_session sh "$home/box.sh" "$@" </dev/null
); }
activate() { # ID
    begin
    switch_to "$1"
}
rollback() {
    begin
    [ -d previous ] || fail $NO_RELEASE "there is nothing to go back to"
    switch_to "$(at previous)"
}
switch_to() { # ID
    [ -d "releases/$1" ] || fail $NO_RELEASE "there is no release $1"
    intact "$1" || fail $NOT_VERIFIED "release $1 is damaged: $odd"
    supervised || fail $NO_SERVICE "the supervisor does not start"
    if [ "$before" = "$1" ]; then
        verdict=$(last_line log/health)
        rm -f stopped
        until_runs "$1" "$1" || fail $NOT_WELL "$1 does not run; it said last: $(said_last)"
        report unchanged
        return 0
    fi
    if ! write_state trial "$1 $before" || ! point current "$1"; then fail 1 "cannot write to $home"; fi
    rm -f stopped
    if becomes_well "$1"; then
        mv -f trial confirmed && sync
        settle
        report updated
        return 0
    fi
    tell "$1 is not well: $verdict"
    outcome=rolled_back
    [ -n "$before" ] || { outcome=failed && rm -f current; }
    go_back
    until_runs "$before" "$1"
    report $outcome
    exit $NOT_WELL
}
# It has to become well within HEALTH_TIMEOUT_S and then stay so for HEALTH_FOR_S, in one life of the program.
becomes_well() { # ID; sets verdict
    timeout_s=$(whole "releases/$1" HEALTH_TIMEOUT_S 60) for_s=$(whole "releases/$1" HEALTH_FOR_S 0)
    [ -s "releases/$1/meta/health" ] || [ "$for_s" -ge 3 ] || for_s=3 # alive is all there is to see
    deadline=$(($(uptime_s) + timeout_s + $(stop_s "$before") + 10)) life='' well_since='' verdict="it did not start"
    while :; do
        owned supervisor || start_service
        read_running
        if [ "$release" = "$1" ] && [ "$program" != "$life" ]; then
            [ -n "$life" ] || deadline=$(($(uptime_s) + timeout_s))
            life=$program well_since=''
        fi
        if [ "$release" = "$1" ] && lives "$program" && healthy "$1" && lives "$program"; then
            well_since=${well_since:-$(uptime_s)}
            [ $(($(uptime_s) - well_since)) -lt "$for_s" ] || return 0
        else
            well_since=''
            [ "$release" != "$1" ] || lives "$program" || verdict="the program ended; it said last: $(said_last)"
            [ "$release" != "$1" ] || [ "$starts" -le $DEATHS ] || return 1
            [ "$(uptime_s)" -lt $deadline ] || return 1
        fi
        sleep 1
    done
}
healthy() { # ID
    [ -s "releases/$1/meta/health" ] || { verdict="it runs" && return; }
    (in_release "$1" bounded $CHECK_S sh "$home/releases/$1/meta/health") >log/health.new 2>&1
    status=$?
    mv -f log/health.new log/health
    verdict=$(last_line log/health)
    verdict=${verdict:-the health check ended with $status}
    return $status
}
until_runs() { # ID, and no longer OTHER; "": nothing
    patience=$(($(uptime_s) + $(stop_s "$2") + 15))
    while [ "$(uptime_s)" -lt $patience ]; do
        read_running
        if [ "$release" = "$1" ] && { [ -z "$1" ] || lives "$program"; }; then return 0; fi
        pause
    done
    return 1
}
said_last() { tail -n 9 log/app.log 2>/dev/null | grep -v '^edgebuild: ' | tail -n 1; }
stop_s() { whole "releases/$1" STOP_S 10; }

stop() {
    begin
    if ! write_state stopped stopped || ! until_runs '' "$before"; then fail 1 "the program does not end"; fi
    record stopped && say running no
}
start() {
    begin
    [ -n "$before" ] || fail $NO_RELEASE "there is no release to start"
    rm -f stopped && sync
    supervised || fail $NO_SERVICE "the supervisor does not start"
    until_runs "$before" "$before" || fail $NOT_WELL "the program does not start"
    record started && say running yes
}
halt() { # the supervisor and its program, until the next boot
    supervisor=$(owner supervisor) patience=$(($(uptime_s) + 110))
    ! alive "$supervisor" || kill -TERM "${supervisor%%.*}"
    while alive "$supervisor" && [ "$(uptime_s)" -lt $patience ]; do pause; done
}
