# The box's half of `edgebuild sysroot import`: VERB ROOT [ARGUMENT...], paths below ROOT on stdin, one a line, each
# beginning with "./". Reads only, and needs sh, find, sed, xargs, ls, cat and readlink, as busybox has them.
export LC_ALL=C
verb=$1 root=$2
shift 2
cd "$root" || exit 1

have() { command -v "$1" >/dev/null 2>&1; }
# For xargs, which splits at blanks and reads quotes: -0 is not everywhere.
quoted() { sed 's/[^A-Za-z0-9_.,:+@%/=-]/\\&/g'; }
# Says the links on the way to PATH, and leaves in $real where it leads to below the root. An absolute link starts at
# the root, which need not be this machine's.
walk() {
    rest=$1 real=. hops=0
    while [ -n "$rest" ]; do
        name=${rest%%/*}
        case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
        case $name in
        '' | .) continue ;;
        ..)
            real=${real%/*} # "." stays
            continue
            ;;
        esac
        if [ -h "$real/$name" ]; then
            hops=$((hops + 1))
            [ "$hops" -le 40 ] || return 1
            printf '%s\n' "$real/$name"
            target=$(readlink "$real/$name")
            case $target in /*) real=. ;; esac
            rest=$target${rest:+/$rest}
        else
            real=$real/$name
        fi
    done
    [ -e "$real" ]
}

case $verb in
list) # [NAME-GLOB...]; answers as `ls -ln`, and "@end" if it came to its end
    globs=$#
    for each; do set -- "$@" -o -name "$each"; done
    shift "$globs"
    [ $# -eq 0 ] || shift
    while IFS= read -r place; do
        walk "$place" || continue
        if [ $# -eq 0 ]; then
            find "$real" \( -type f -o -type l \) -print
        else
            find "$real" \( -type f -o -type l \) \( "$@" \) -print
        fi
    done | quoted | xargs ls -lnd
    echo @end
    ;;
digest) # answers as sha256sum
    have sha256sum || { echo @none && exit 0; }
    quoted | xargs sha256sum
    echo @end
    ;;
send) # plain|packed: the contents, one after another
    if [ "$1" = packed ] && have gzip; then
        echo packed
        quoted | xargs cat | gzip -1
    else
        echo plain
        quoted | xargs cat
    fi
    ;;
esac
