# Keeps the program of the current release alive.

# It follows the files: `current` says what should run, `stopped` that nothing should. There is no request to lose.
supervise() {
    mkdir -p releases incoming state log .new || fail 1 "cannot write to $home"
    claim supervisor || { tell "supervised by $(owner supervisor)" && exit 0; }
    trap '' HUP PIPE
    mend
    read_running
    end_program # of a supervisor that died
    trap 'end_program; exit 0' TERM INT
    ticks=0
    while mend; do
        wanted=$(at current)
        [ ! -e stopped ] || wanted=
        [ "$wanted" = "$release" ] || { end_program && release=$wanted starts=0 delay_s=0 next_start=0; }
        [ -z "$release" ] || lives "$program" || bring_up
        [ $((ticks % 8)) -ne 0 ] || bound_log log/app.log
        ticks=$((ticks + 1))
        sleep 1
    done
}
mend() { # a trial whose worker died; by a process of its own, because a lock ends with its owner
    { [ ! -e trial ] && [ ! -e confirmed ]; } || owned lock || sh "$home/box.sh" recover "$home" >/dev/null 2>&1
    return 0
}
read_running() { # sets release, program, starts
    release='' program='' starts=0
    [ ! -e running ] || read -r release program starts <running
    case $program in - | *."$boot_id") ;; *) release='' program='' ;; esac
}
lives() { [ "$1" = "-" ] || alive "$1"; }
bring_up() {
    if [ ! -s "releases/$release/meta/run" ]; then # files only
        program=-
        write_running "$release" - 0
        return
    fi
    [ -z "$program" ] || bury
    [ "$(uptime_s)" -ge "$next_start" ] || return 0
    rm -rf run && mkdir run
    ! is_image "releases/$release" || for_container
    starts=$((starts + 1)) born=$(uptime_s)
    (own_session sh "$home/box.sh" become "$home" "$release" $starts) >>log/app.log 2>&1 </dev/null 3<&- &
    program=$(identity $!)
}
# A program says itself who it is, before it is one: so a supervisor's successor finds it whenever the first one dies.
# One whose supervisor is gone by then gives way to the successor's.
become() { # ID STARTS
    [ "$(owner supervisor)" = "$(identity $PPID)" ] && write_running "$1" "$(identity $$)" "$2"
    [ "$(owner supervisor)" = "$(identity $PPID)" ] || exit 1
    in_release "$1" exec sh "$home/releases/$1/meta/run"
}
write_running() { echo "$*" >running.new && mv -f running.new running; } # for this boot, so there is no need to sync
bury() { # a program that ended by itself: what it left in its group, and when the next may start
    wait "${program%%.*}" 2>/dev/null
    echo "edgebuild: $release ended with status $? after $(($(uptime_s) - born)) s" >>log/app.log
    signal KILL "$program"
    program=
    [ $(($(uptime_s) - born)) -lt 60 ] || delay_s=0
    delay_s=$((delay_s == 0 ? 1 : delay_s * 2))
    [ $delay_s -le 30 ] || delay_s=30
    next_start=$(($(uptime_s) + delay_s))
}
end_program() { # with all its group; a number that is another process's by now is left alone
    if alive "$program" || [ -z "$(started "${program%%.*}")" ]; then
        patience=$(($(uptime_s) + $(stop_s "$release")))
        signal TERM "$program"
        while [ -n "$program" ] && signal 0 "$program"; do
            [ "$(uptime_s)" -lt $patience ] || { signal KILL "$program" && break; }
            pause
        done
        wait "${program%%.*}" 2>/dev/null
    fi
    ! is_image "releases/$release" || bounded 60 docker rm -f "edgebuild-$name" >/dev/null 2>&1
    release='' program=''
    rm -f running
}
# The program of an image is user 65532. Its container is called $CONTAINER, so that one left by a power cut goes first.
for_container() {
    bounded 60 docker rm -f "edgebuild-$name" >/dev/null 2>&1
    # shellcheck disable=SC2012
    case $(ls -nd state) in *" 65532 "*) ;; *) chown -R 65532:65532 state ;; esac
    chown 65532:65532 run
}
in_release() { # ID COMMAND...; in a subshell only
    export APP="$home/releases/$1/tree" STATE="$home/state" RUN="$home/run" CONTAINER="edgebuild-$name"
    unset LC_ALL
    shift
    cd "$APP" 2>/dev/null || cd /
    "$@"
}
