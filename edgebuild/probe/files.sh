# Files of the box, one after the other: "file=SIZE PATH", then that many bytes. Behind it come lines that say which.
# What would go beyond `room_kb` is only named: "left=SIZE PATH".

LC_ALL=C PATH=$PATH:/usr/local/bin:/usr/bin:/bin
export LC_ALL PATH
exec </dev/null 2>/dev/null

send() { # FILE...; a pattern that fits nothing is none
    for file; do
        [ -f "$file" ] && [ -r "$file" ] || continue
        bytes=$(wc -c <"$file") && bytes=$((bytes)) || continue
        room_kb=$((room_kb - (bytes + 1023) / 1024)) # in kB, because a shell's numbers may have 32 bits
        if [ $room_kb -lt 0 ]; then
            room_kb=$((room_kb + (bytes + 1023) / 1024))
            echo "left=$bytes $file"
        else
            echo "file=$bytes $file"
            cat "$file"
        fi
    done
}
