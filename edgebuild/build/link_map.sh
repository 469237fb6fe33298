# Runs a link and leaves the linker's map beside its output: sh link_map.sh COMPILER ARGUMENTS...
# CMake calls it (CMAKE_<LANG>_LINKER_LAUNCHER). zig takes no -Map=FILE; with --print-map its lld writes the map to
# stdout, where nothing else comes. The output has the same bytes with and without (tests/e2e/test_origin.py).
output=
previous=
for argument do
  test "$previous" != -o || output=$argument
  previous=$argument
done
test -n "$output" || exec "$@"
exec "$@" -Wl,--print-map >"$output.map"
