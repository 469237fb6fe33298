# The files of a home: written and switched whole, and what a dead predecessor left of them.

write_state() { # NAME TEXT
    printf '%s\n' "$2" >"$1.new" && sync && mv -f "$1.new" "$1" && sync
}
# Link NAME leads to release ID, in one step. `ln -sfn` would remove the old link first, and `mv LINK NAME` would move
# into the folder that NAME leads to; `mv -T` is missing in old busyboxes, while into a folder all of them rename.
# .new is there beforehand: on a full disk a link can still be made, but a folder cannot.
point() { # NAME ID
    rm -f ".new/$1" && ln -s "releases/$2" ".new/$1" && mv -f ".new/$1" ./ && sync
}
at() { base "$(readlink "$1")"; } # the id that link NAME leads to
fact() {                         # RELEASE KEY DEFAULT; read, not sourced: it is data
    value=$(sed -n "s/^$2=//p" "$1/meta/facts" 2>/dev/null)
    value=${value#\'} value=${value%\'}
    echo "${value:-$3}"
}
whole() { value=$(fact "$@") && echo "${value%%.*}"; }
is_image() { [ "$(fact "$1" FORMAT '')" = image ]; }
free_kb() { # FOLDER; counted from the capacity's "%" back, since a device's name may hold blanks
    line=$(df -Pk "$1" | tail -n 1)
    # shellcheck disable=SC2086
    set -- ${line%%%*}
    while [ $# -gt 2 ]; do shift; done
    echo "${1:-0}"
}
need_kb() { # KB, beside what lies there already
    free=$(free_kb .)
    [ "$free" -ge $(($1 + RESERVE_KB)) ] ||
        fail $NO_SPACE "needs $(($1 + RESERVE_KB)) kB ($RESERVE_KB of them in reserve), $home has $free"
}
bound_log() { # FILE; copied and emptied, since its writer keeps it open
    [ -z "$(find "$1" -size +$((LOG_BYTES / 512)) 2>/dev/null)" ] || {
        tail -c $LOG_BYTES "$1" >"$1.1"
        : >"$1"
    }
}
record() { # OUTCOME
    bound_log log/deploy.log
    when="uptime_s=$(uptime_s) boot=${boot_id%%-*}"
    echo "$when verb=$verb before=$before after=$(at current) outcome=$1" >>log/deploy.log
}
report() { # OUTCOME; there may be nobody left to read it
    record "$1"
    { say outcome "$1" && say before "$before" && say after "$(at current)" && say health "${verdict:-}"; } 2>/dev/null
    return 0
}

begin() { # every verb that changes something: alone, and on what is whole
    mkdir -p releases incoming state log .new || fail 1 "cannot write to $home"
    until=$(($(uptime_s) + PATIENCE_S))
    until claim lock; do
        [ "$(uptime_s)" -lt $until ] || { tell "busy: $(owner lock) is at work" && exit $BUSY; }
        pause
    done
    rm -f lock && ln -s "$(owner lock)" lock # for people
    before=$(at current)
    recover
    before=$(at current)
}
recover() {
    [ ! -e confirmed ] || { settle && record settled; }
    [ ! -e trial ] || { go_back && record taken_back; }
    for each in incoming/*; do [ ! -e "$each" ] || discard "$each"; done
    [ ! -h current ] || [ -e stopped ] || owned supervisor || ! service_there || start_service ||
        tell "the supervisor does not start"
}
go_back() { # a first release, which has no old one, stays: better than nothing
    read -r _ old <trial
    [ -z "$old" ] || [ ! -d "releases/$old" ] || point current "$old" || fail 1 "cannot write to $home"
    rm -f trial && sync
}
settle() { # what was found well counts from the rename of `trial` to `confirmed` on
    read -r _ old <confirmed
    [ -z "$old" ] || point previous "$old" || fail 1 "cannot write to $home"
    rm -f confirmed && sync
    collect
}
collect() { # keeps the current and the previous release
    for each in releases/*; do
        case $(base "$each") in "$(at current)" | "$(at previous)" | '*') continue ;; esac
        remove "$each"
    done
}
remove() { # RELEASE: whole, by a rename, before bit by bit
    mkdir -p incoming/gone && mv "$1" incoming/gone/release && discard incoming/gone
}
discard() { # FOLDER of incoming/
    [ ! -e "$1/release/meta/facts" ] || drop_image "$1/release"
    rm -rf "$1"
}
drop_image() { # RELEASE: ours alone; without force, so one that a container or another name holds stays as well
    is_image "$1" && [ ! -e "$1/meta/foreign" ] || return 0
    image=$(fact "$1" IMAGE_ID none)
    case $image in sha256:*) ;; *) return 0 ;; esac
    grep -qsF "$image" ../*/releases/*/meta/facts || bounded 120 docker image rm "$image" >/dev/null 2>&1
}
