# A release comes in: complete and verified, or not there.

receive() { # ID [KB]: of archive and unpacked release together, so that too little space is known before the first byte
    begin
    if [ -d "releases/$1" ]; then
        if intact "$1"; then
            report unchanged
            return 0
        fi
        [ "$before" != "$1" ] || fail $NOT_VERIFIED "$1 is damaged ($odd), and it is what runs"
    fi
    [ ! -d "releases/$1" ] || remove "releases/$1"
    collect
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
    [ "$(sha256sum <"$landing/expected")" = "$(sha256sum <"$landing/found")" ]
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
