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
TOOLS="cat chmod cmp df find grep gzip head ls ln mkdir mv readlink rm sed sha256sum sleep sort sync tail tar tr uname"
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

# ---- Processes ------------------------------------------------------------------------------------------------------

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
    until owned "$1"; do
        mine=$(($(highest "$1") + 1))
        if ! ln -s "$(identity $$)" ".$1.$mine" 2>/dev/null; then
            [ -h ".$1.$mine" ] || fail 1 "cannot write to $home"
        elif [ "$(highest "$1")" != $mine ]; then
            rm -f ".$1.$mine"
        else
            for each in ".$1".[0-9]*; do [ "$each" = ".$1.$mine" ] || rm -f "$each"; done
            return 0
        fi
    done
    return 1
}
highest() (
    number=0
    for each in ".$1".[0-9]*; do [ ! -h "$each" ] || [ "${each##*.}" -le "$number" ] || number=${each##*.}; done
    echo "$number"
)
owner() { readlink ".$1.$(highest "$1")"; }
owned() { alive "$(owner "$1")"; }

# ---- Files ----------------------------------------------------------------------------------------------------------

write_state() { # NAME TEXT
    printf '%s\n' "$2" >"$1.new" && sync && mv -f "$1.new" "$1" && sync
}
# Link NAME leads to TARGET, in one step. `ln -sfn` would remove the old link first, and `mv LINK NAME` would move
# into the folder that NAME leads to; `mv -T` is missing in old busyboxes, while into a folder all of them rename.
point() { # NAME TARGET
    rm -rf .new && mkdir .new && ln -s "$2" ".new/$1" && mv -f ".new/$1" ./
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
    [ -z "$(find "$1" -size +$((LOG_BYTES / 512)) 2>/dev/null)" ] || { tail -c $LOG_BYTES "$1" >"$1.1" && : >"$1"; }
}
record() { # OUTCOME
    bound_log log/deploy.log
    say_where="before=$before after=$(at current)"
    echo "uptime_s=$(uptime_s) boot=${boot_id%%-*} verb=$verb $say_where outcome=$1" >>log/deploy.log
}
report() { # OUTCOME
    record "$1"
    say outcome "$1" && say before "$before" && say after "$(at current)" && say health "${verdict:-}"
}

# ---- What a dead predecessor left -----------------------------------------------------------------------------------

begin() { # every verb that changes something: alone, and on what is whole
    mkdir -p releases incoming state log || fail 1 "cannot write to $home"
    until=$(($(uptime_s) + PATIENCE_S))
    until claim lock; do
        [ "$(uptime_s)" -lt $until ] || { tell "busy: $(owner lock) is at work" && exit $BUSY; }
        pause
    done
    point lock "$(owner lock)" # for people; it ends with its owner as well
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
    [ -z "$old" ] || [ ! -d "releases/$old" ] || point current "releases/$old"
    rm -f trial && sync
}
settle() { # what was found well counts from the rename of `trial` to `confirmed` on
    read -r _ old <confirmed
    [ -z "$old" ] || point previous "releases/$old"
    rm -f confirmed && sync
    collect
}
collect() { # keeps the current and the previous release
    for each in releases/*; do
        case $(base "$each") in "$(at current)" | "$(at previous)" | '*') continue ;; esac
        mkdir -p incoming/gone && mv "$each" incoming/gone/release && discard incoming/gone
    done
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

# ---- receive --------------------------------------------------------------------------------------------------------

receive() { # ID [KB]: of archive and unpacked release together, so that too little space is known before the first byte
    begin
    if [ -d "releases/$1" ]; then
        if intact "$1"; then report unchanged && return; fi
        [ "$before" != "$1" ] || fail $NOT_VERIFIED "$1 is damaged ($odd), and it is what runs"
    fi
    collect
    rm -rf "releases/$1"
    need_kb "${2:-0}"
    land "incoming/$1.$$"
    case $(fact "$new" FORMAT '') in
        tarball) unpack ;;
        image) load ;;
        *) fail 1 "unknown format '$(fact "$new" FORMAT '')'" ;;
    esac
    if ! sync || ! mv "$new" "releases/$1" || ! sync; then fail 1 "cannot write to $home/releases"; fi
    discard "$landing"
    report received
}
land() { # FOLDER: takes everything from descriptor 3 and compares the archive
    landing=$1 new=$1/release
    mkdir "$landing" "$new" "$new/meta" || fail 1 "cannot write to $home"
    watched=$landing
    bounded $STALL_S tar -xof - -C "$landing" facts files links run health archive || land_failed
    watched=
    for each in facts files links run health; do
        if [ ! -f "$landing/$each" ] || [ -h "$landing/$each" ]; then fail 1 "the transfer lacks $each"; fi
        mv "$landing/$each" "$new/meta/"
    done
    digest=$(sha256sum <"$landing/archive")
    [ "${digest%% *}" = "$(fact "$new" ARCHIVE_SHA256 none)" ] || refuse "the archive is not what was announced"
}
land_failed() {
    [ "$(free_kb .)" -ge 1024 ] || fail $NO_SPACE "$home is full"
    fail 1 "the transfer ended early"
}
refuse() { fail $NOT_VERIFIED "$1"; }
unpack() {
    need_kb "$(whole "$new" UNPACKED_KB 0)"
    top=$(fact "$new" TOP '')
    case $top in '' | .* | *[!A-Za-z0-9._+~-]*) refuse "the archive's top folder '$top' is no plain name" ;; esac
    names_fit || refuse "the archive has other members than announced: $odd"
    mkdir "$landing/tree"
    gzip -dc "$landing/archive" | tar -xpof - -C "$landing/tree" || refuse "the archive does not unpack"
    rm -f "$landing/archive"
    mv "$landing/tree/$top" "$new/tree" || refuse "the archive has no folder $top"
    if ! kinds_fit || ! verified "$new"; then refuse "unpacked, the release is not what was announced: $odd"; fi
}
files_of() { sed 's/^[0-9a-f]\{64\}  //' "$1/meta/files" | sort; }
links_of() { sed 's/	.*//' "$1/meta/links" | sort; }
# Before anything is unpacked: each file and link exactly once, and below no other folders than theirs. So no member
# leads out by its name, and none lies below a link.
names_fit() {
    literal='' odd="unreadable"
    case $(tar --version 2>/dev/null) in *GNU*) literal=--quoting-style=literal ;; esac
    { files_of "$new" && links_of "$new"; } | sed "s|^|$top/|" | sort >"$landing/expected"
    sed -n -e :up -e 's|/[^/]*$||p' -e tup "$landing/expected" | sed 's|$|/|' >"$landing/folders"
    # shellcheck disable=SC2086 # one word or none
    gzip -dc "$landing/archive" | tar $literal -tf - >"$landing/names" || return 1
    grep -v '/$' "$landing/names" | sort >"$landing/found"
    odd=$(cat "$landing/expected" "$landing/folders" | grep -vxF -f - "$landing/names" | head -n 3 | tr '\n' ' ')
    [ -z "$odd" ] || return 1
    odd="one is missing or there twice"
    cmp -s "$landing/expected" "$landing/found"
}
kinds_fit() { # a name that was announced as a file is a file
    odd="a file that should be a link, a link that should be a file, or a device"
    [ "$(files_of "$new")" = "$(below "$new/tree" f)" ] && [ "$(links_of "$new")" = "$(below "$new/tree" l)" ]
}
below() { (cd "$1" && find . -type "$2") | sed 's|^\./||' | sort; }
verified() { # RELEASE: every byte of every file, every link; and no link leads out
    root=$(readlink -f "$1/tree")
    checked=$(cd "$1/tree" && sha256sum -c "$home/$1/meta/files" 2>/dev/null)
    set -- "$1" $?
    odd=$(echo "$checked" | grep -v ': OK$' | head -n 1)
    [ "$2" = 0 ] || return 1
    while IFS='	' read -r odd target || [ -n "$odd" ]; do
        [ "$(readlink "$1/tree/$odd")" = "$target" ] || return 1
        case $target in /*) return 1 ;; esac
        case $(readlink -f "$1/tree/$odd") in "$root" | "$root"/*) ;; *) return 1 ;; esac
    done <"$1/meta/links"
}
load() { # docker is never fed from the network: an interrupted load can block all later ones (moby/moby#51623)
    have docker || fail $NO_SERVICE "there is no docker"
    need_kb "$(whole "$new" UNPACKED_KB 0)"
    image=$(fact "$new" IMAGE_ID none)
    if image_there "$image"; then
        grep -qsF "$image" releases/*/meta/facts || : >"$new/meta/foreign"
    else
        bounded 1800 docker load -i "$landing/archive" >&2 || fail $NO_SERVICE "docker load failed"
        image_there "$image" || refuse "the archive holds another image than $image"
    fi
}
image_there() { [ "$(bounded 60 docker image inspect -f '{{.Id}}' "$1" 2>/dev/null)" = "$1" ]; }
intact() { # ID; flash forgets, and power cuts tear
    odd="its image is gone"
    if is_image "releases/$1"; then image_there "$(fact "releases/$1" IMAGE_ID none)"; else verified "releases/$1"; fi
}

# ---- activate, rollback ---------------------------------------------------------------------------------------------

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
        report unchanged && return
    fi
    if ! write_state trial "$1 $before" || ! point current "releases/$1" || ! sync; then fail 1 "cannot write to $home"; fi
    rm -f stopped
    if becomes_well "$1"; then
        mv -f trial confirmed && sync
        settle
        report updated && return
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

# ---- The supervisor -------------------------------------------------------------------------------------------------

# It follows the files: `current` says what should run, `stopped` that nothing should. There is no request to lose.
supervise() {
    mkdir -p releases incoming state log || fail 1 "cannot write to $home"
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
    if [ ! -s "releases/$release/meta/run" ]; then program=- && write_running && return; fi # nothing to run: files only
    [ -z "$program" ] || bury
    [ "$(uptime_s)" -ge "$next_start" ] || return 0
    rm -rf run && mkdir run
    ! is_image "releases/$release" || for_container
    starts=$((starts + 1)) born=$(uptime_s)
    (in_release "$release" own_session sh "$home/releases/$release/meta/run") >>log/app.log 2>&1 </dev/null 3<&- &
    program=$(identity $!)
    write_running
}
write_running() { printf '%s\n' "$release $program $starts" >running.new && mv -f running.new running; } # for this boot
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

# ---- The service manager --------------------------------------------------------------------------------------------

service() {
    if [ -d "${EDGEBUILD_ROOT:-}/run/systemd/system" ]; then echo systemd && return; fi
    if [ -d "$etc/init.d" ]; then echo init; else echo none; fi
}
unit() { echo "edgebuild-$name.service"; }
script() { echo "$etc/init.d/S95edgebuild-$name"; }
service_there() { [ -e "$etc/systemd/system/$(unit)" ] || [ -e "$(script)" ]; }
supervised() { # there is a service, it starts at boot, and it runs
    case $(service) in
        systemd) place "$etc/systemd/system/$(unit)" "$(unit_text)" 644 && systemctl enable "$(unit)" >&2 ;;
        init) place "$(script)" "$(script_text)" 755 && link_runlevels ;;
        none) tell "neither systemd nor /etc/init.d" && false ;;
    esac || return 1
    owned supervisor || start_service
}
place() { # FILE TEXT MODE
    [ "$(cat "$1" 2>/dev/null)" != "$2" ] || return 0
    set -- "$1" "$2" "$3" "${1%/*}/.${1##*/}"
    mkdir -p "${1%/*}" && printf '%s\n' "$2" >"$4" && chmod "$3" "$4" && sync && mv -f "$4" "$1" && sync
}
link_runlevels() {
    for each in "$etc"/rc[2345].d "$etc"/rc.d/rc[2345].d; do
        if [ -d "$each" ] && [ ! -h "$each/S95edgebuild-$name" ]; then ln -s "$(script)" "$each/" || return 1; fi
    done
}
start_service() {
    case $(service) in
        systemd) systemctl daemon-reload && systemctl reset-failed "$(unit)" ; systemctl start "$(unit)" ;;
        init) "$(script)" start ;;
    esac </dev/null >/dev/null 2>&1 3<&-
    patience=$(($(uptime_s) + 15))
    until owned supervisor; do
        [ "$(uptime_s)" -lt $patience ] || return 1
        pause
    done
}
unit_text() {
    cat <<END
[Unit]
Description=$name, kept by edgebuild
After=network.target docker.service
RequiresMountsFor="$home"

[Service]
ExecStart=/bin/sh "$home/box.sh" boot "$home"
Restart=always
RestartSec=1
StartLimitInterval=0
KillMode=mixed
TimeoutStopSec=120

[Install]
WantedBy=multi-user.target
END
}
script_text() { # a supervisor that was killed comes back; one that was told to end does not
    cat <<END
#!/bin/sh
### BEGIN INIT INFO
# Provides: edgebuild-$name
# Required-Start: \$remote_fs
# Required-Stop: \$remote_fs
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
# Short-Description: $name, kept by edgebuild
### END INIT INFO
if command -v setsid >/dev/null; then detached=setsid; else detached=; fi
keep='trap "" HUP; until sh "\$0/box.sh" boot "\$0"; do sleep 1; done'
case "\${1:-}" in
    start) \$detached sh -c "\$keep" "$home" </dev/null >/dev/null 2>&1 & ;;
    stop) sh "$home/box.sh" halt "$home" ;;
    restart) sh "$home/box.sh" halt "$home" && "\$0" start ;;
esac
END
}

# ---- The other verbs ------------------------------------------------------------------------------------------------

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
probe() {
    folder=$home
    while [ ! -d "$folder" ]; do folder=${folder%/*} && folder=${folder:-/}; done
    say machine "$(uname -m)"
    say kernel "$(uname -r)"
    say glibc "$(glibc)"
    say user "$(id -un 2>/dev/null || id -u)"
    say home_free_kb "$(free_kb "$folder")"
    say writable "$([ -w "$folder" ] && echo yes || echo no)"
    say missing "$(for each in $TOOLS; do have "$each" || printf '%s ' "$each"; done)"
    say service "$(service)"
    engine=$(have docker && bounded 10 docker version -f '{{.Server.Version}}' 2>/dev/null)
    say engine "${engine:+docker $engine}"
    say boot_id "$boot_id"
    say uptime_s "$(uptime_s)"
    say clock_unix_s "$(date +%s)"
    if [ ! -d "$home" ] || ! cd "$home"; then return; fi
    read_running
    digest=$(sha256sum box.sh 2>/dev/null)
    unsettled=
    [ ! -e trial ] || read -r unsettled _ <trial
    say tool "${digest%% *}"
    say current "$(at current)"
    say previous "$(at previous)"
    say trial "$unsettled"
    say releases "$(for each in releases/*; do [ ! -d "$each" ] || printf '%s ' "$(base "$each")"; done)"
    say running "$([ -n "$program" ] && lives "$program" && echo yes || echo no)"
    say health "$(last_line log/health)"
    say busy "$(owned lock && owner lock)"
}
glibc() ( # boxes have one way to ask or the other
    getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //' | grep . && exit
    for each in /lib/libc.so.6 /lib64/libc.so.6 /lib/*/libc.so.6; do
        [ -x "$each" ] && "$each" 2>/dev/null | sed -n 's/^GNU C Lib.* version \([0-9.]*[0-9]\).*/\1/p' | grep . && exit
    done
)

main() {
    verb=${1:-} home=${2:-} id=${3:-} name=${2##*/}
    exec 3</dev/null
    case $home in [!/]* | */ | *[!A-Za-z0-9/._+@:,=\ -]*) fail 1 "'$home' is no absolute path of plain letters" ;; esac
    case $name in '' | *[!A-Za-z0-9._-]*) fail 1 "'$name' is no plain name" ;; esac
    case $id in .* | -* | *[!A-Za-z0-9._+~-]*) fail 1 "'$id' is no plain release id" ;; esac
    case $verb in
        probe) probe && exit ;;
        receive) mkdir -p "$home" && exec 3<&0 ;;
    esac
    cd "$home" 2>/dev/null || fail $NO_RELEASE "$home is not there"
    case $verb:$id in
        receive:?*) receive "$id" "${4:-0}" ;;
        activate:?* | rollback:) detach "now_$verb" "$home" "$id" ;;
        now_activate:?*) verb=activate && activate "$id" ;;
        now_rollback:) verb=rollback && rollback ;;
        boot: | supervise:) supervise ;;
        recover:) begin ;;
        stop:) stop ;;
        start:) start ;;
        halt:) halt ;;
        *) fail 1 "usage: box.sh probe|receive|activate|rollback|start|stop HOME [ID]" ;;
    esac
}
main "$@"
exit
