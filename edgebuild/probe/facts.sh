# What is this box? Reads only; behind it come lines that ask (questions.py renders them). Every answer is a line
# key=value. Any POSIX sh: busybox's, without stat, readlink, printf %q; any clock; nothing is written anywhere.

LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
unset CDPATH
exec </dev/null 2>/dev/null

have() { command -v "$1" >/dev/null; }
say() { echo "$1=$2"; }
bounded() { # SECONDS COMMAND...; old busybox says `timeout -t SECONDS`
    if timeout 1 true; then timeout "$@"; elif timeout -t 1 true; then timeout -t "$@"; else shift && "$@"; fi
}
marked() { # every line of stdin as KEY=line; where the last one does not end, the next answer still begins a line
    if have sed; then sed "s/^/$1=/"; else while IFS= read -r each || [ -n "$each" ]; do say "$1" "$each"; done; fi
    echo
}
no_nul() { if have tr; then tr '\0' '\n'; else cat; fi; }

seen=:
list() { # FOLDER...: entries with sizes and link targets, then once more with what the links lead to
    for folder; do
        real=$(cd -P "$folder" && pwd -P) || continue
        say folder "$folder"
        say real "$real"
        case $seen in *":$real:"*) continue ;; esac
        seen=$seen$real:
        ls -lnA "$real/" | marked entry
        ls -lnAL "$real/" | marked followed
    done
}
text() { # FILE...: its first 256 KiB. dd, because a file in /proc has no size that head or wc could know
    for file; do
        [ -f "$file" ] && [ -r "$file" ] || continue
        say text "$file"
        dd bs=4096 count=64 <"$file" | no_nul | marked line
    done
}
loader_folders() { # the folders that files like ld.so.conf name
    for file; do
        [ -f "$file" ] || continue
        while read -r folder rest || [ -n "$folder" ]; do
            case $folder in /*) list "$folder" ;; esac
        done <"$file"
    done
}
package() { # NAME...: versions as the package manager's own list has them
    for name; do
        for status in /var/lib/dpkg/status /var/lib/opkg/status /usr/lib/opkg/status; do
            [ -f "$status" ] || continue
            version=$(sed -n "/^Package: $name\$/,/^\$/s/^Version: //p" "$status") || continue
            [ -z "$version" ] || say package "$name $version"
        done
    done
}
output() { # NAME COMMAND...
    have "$2" || return
    say output "$1"
    shift
    bounded 10 "$@" 2>&1 | no_nul | marked line
}
free() {
    for folder; do
        [ -d "$folder" ] && say free "$folder $(df -kP "$folder" | tail -n 1)"
    done
}
page_size() {
    getconf PAGESIZE || sed -n 's/^KernelPageSize: *\([0-9]*\) kB$/\1 kB/p' /proc/self/smaps | head -n 1
}

say machine "$(uname -m)"
say kernel "$(uname -r)"
say page_size "$(page_size)"
say user "$(id -un || id -u)"
[ -e /etc/ld.so.cache ] && say loader_cache yes
