# Questions, and which words mean what.

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
    case $verb:$id in # `become` and `recover` are said by supervisors that an earlier version of this file started
        receive:?*) receive "$id" "${4:-0}" ;;
        activate:?* | rollback:) detach "now_$verb" "$home" "$id" ;;
        now_activate:?*) verb=activate && activate "$id" ;;
        become:?*) become "$id" "$4" ;;
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
