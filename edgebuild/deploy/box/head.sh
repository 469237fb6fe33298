#!/bin/sh
# The half of a deployment that runs on the box:  sh box.sh VERB HOME [ARGUMENT...]
#
# Power may go and any process may die between any two lines. Hence: what lies below releases/ is complete and
# verified, because it gets there by one rename; `current` changes by one rename; a switch that was not yet found well
# is written down in `trial`, and whoever comes next (the supervisor, a boot, the next deployment) takes it back.
# Nothing here asks the clock on the wall, which starts in 1970 on many boxes: uptime and boot id do.
#
# stdout: key=value lines; stderr: sentences. Exit status: the names below, 1 for anything else.
set -u
NO_SPACE=10 NOT_VERIFIED=11 BUSY=12 NOT_WELL=13 NO_RELEASE=14 NO_SERVICE=15
RESERVE_KB=16384 # stays free: a full root turns read-only on some boxes
STALL_S=120      # a connection that brings no byte for so long is gone, though the kernel may not know for hours
PATIENCE_S=10    # for another's lock: the supervisor takes it for an instant when a worker died
CHECK_S=15       # one health check
DEATHS=3         # so often may a program end in its trial
LOG_BYTES=1000000
TOOLS="cat chmod df find grep gzip head ls ln mkdir mv readlink rm sed sha256sum sleep sort sync tail tar tr uname"
umask 022
export LC_ALL=C
PATH=${PATH:-/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin # init starts us with less
etc=${EDGEBUILD_ROOT:-}/etc                                                      # a test has its own
read -r boot_id </proc/sys/kernel/random/boot_id

say() { [ -z "$2" ] || printf '%s=%s\n' "$1" "$2"; }
tell() { printf 'box: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
uptime_s() { read -r up _ </proc/uptime && echo "${up%%.*}"; }
pause() { sleep 0.2 2>/dev/null || sleep 1; } # not every busybox knows fractions
last_line() { tail -n 1 "$1" 2>/dev/null | tr -d '\r'; }
base() { echo "${1##*/}"; }
fail() { # STATUS SENTENCE
    tell "$2"
    [ -z "${landing:-}" ] || discard "$landing"
    [ -z "${before+known}" ] || report failed
    exit "$1"
}

# Processes: who is alive, what has to end, who may.

# When process PID started, in ticks since boot; nothing for a dead one. With the boot id it tells a process from a
# later one of the same number. Asked from a subshell: an emulator shows a process made-up figures about itself.
started() (
    { [ -n "$1" ] && read -r stat <"/proc/$1/stat"; } 2>/dev/null || exit 0
    # shellcheck disable=SC2086 # the fields after the name, which may hold blanks
    set -- ${stat##*) }
    case $1 in Z | X) exit 0 ;; esac
    shift 19
    echo "$1"
)
identity() { echo "$1.$(started "$1").$boot_id"; }
alive() ( # IDENTITY
    since=$(started "${1%%.*}")
    [ -n "$since" ] && [ "$1" = "${1%%.*}.$since.$boot_id" ]
)
own_session() { if have setsid; then exec setsid "$@"; else exec "$@"; fi; } # in a subshell only
signal() { # SIGNAL IDENTITY: its group; it alone where it has none
    kill "-$1" "-${2%%.*}" 2>/dev/null || { alive "$2" && kill "-$1" "${2%%.*}" 2>/dev/null; }
}
# Runs COMMAND with descriptor 3 as its input. Ends it, and all it started, when SECONDS went by without a change in the
# folder $watched, or went by at all where nothing is watched. (timeout(1) is often missing and leaves grandchildren.)
bounded() { # SECONDS COMMAND...
    limit_s=$1
    shift
    (own_session "$@") <&3 &
    child=$!
    since=$(uptime_s) seen=$(progress)
    while kill -0 "$child" 2>/dev/null; do
        if [ $(($(uptime_s) - since)) -ge "$limit_s" ]; then
            [ "$(progress)" != "$seen" ] || signal KILL "$(identity "$child")"
            since=$(uptime_s) seen=$(progress)
        fi
        pause
    done
    wait "$child"
}
watched=
progress() { [ -z "$watched" ] || ls -lnR "$watched"; }

# A claim is a link .NAME.N that names its owner. Only the highest N counts, and only while its owner lives: so a claim
# ends with its process, however that ended, and needs no release. `ln -s` makes link and content in one step and fails
# where the link is; the number goes up only, so two who find the same dead owner cannot both succeed.
claim() { # NAME; 1: somebody else's
    while :; do
        last=$(highest "$1")
        holder=$(readlink ".$1.$last")
        if [ -z "$holder" ] && [ "$last" -gt 0 ]; then continue; fi # taken over at this instant
        if alive "$holder"; then return 1; fi
        mine=".$1.$((last + 1))"
        if ln -s "$(identity $$)" "$mine" 2>/dev/null; then
            if [ "$(highest "$1")" = $((last + 1)) ]; then break; fi
            rm -f "$mine"
        elif [ ! -h "$mine" ]; then
            fail 1 "cannot write to $home"
        fi
    done
    for each in ".$1".[0-9]*; do [ "$each" = "$mine" ] || rm -f "$each"; done
}
highest() (
    number=0
    for each in ".$1".[0-9]*; do [ ! -h "$each" ] || [ "${each##*.}" -le "$number" ] || number=${each##*.}; done
    echo "$number"
)
owner() { readlink ".$1.$(highest "$1")"; }
owned() { alive "$(owner "$1")"; }
