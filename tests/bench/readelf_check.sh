#!/bin/sh
# The check that teams write by hand, from several public build scripts: newest versions, libraries, machine, RPATH.
# Usage: readelf_check.sh FOLDER MACHINE GLIBC GLIBCXX "LIBRARIES OF THE BOX". Prints a word and a file per complaint.
folder=$1 machine=$2 glibc=$3 glibcxx=$4 libraries=$5

newest() { # of a family in a file, "" for none
    readelf -W --version-info "$1" 2>/dev/null | grep -o "$2_[0-9.]*" | sed "s/$2_//" | sort -V | tail -n 1
}

above() { # whether version $1 is above $2
    [ -n "$1" ] && [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1)" = "$1" ]
}

find "$folder" -type f | while read -r file; do
    [ "$(head -c 4 "$file" 2>/dev/null | tail -c 3)" = ELF ] || continue
    readelf -h "$file" 2>/dev/null | grep -q "Machine:.*$machine" || { echo "machine $file"; continue; }
    above "$(newest "$file" GLIBC)" "$glibc" && echo "versions $file"
    above "$(newest "$file" GLIBCXX)" "$glibcxx" && echo "versions $file"
    readelf -d "$file" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r library; do
        case " $libraries " in *" $library "*) continue ;; esac
        [ -n "$(find "$folder" -name "$library" | head -n 1)" ] || echo "library $file"
    done
    readelf -d "$file" 2>/dev/null | grep -E '\((RPATH|RUNPATH)\)' | grep -q '\[/' && echo "rpath $file"
    readelf -d "$file" 2>/dev/null | grep -q TEXTREL && echo "textrel $file"
    readelf -lW "$file" 2>/dev/null | grep GNU_STACK | grep -q RWE && echo "stack $file"
done
exit 0
