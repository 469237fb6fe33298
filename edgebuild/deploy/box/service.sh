# What the init of a box has to know: systemd, or plain scripts.

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
        systemd) systemctl daemon-reload && { systemctl reset-failed "$(unit)"; systemctl start "$(unit)"; } ;;
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
