#!/usr/bin/env bash
# inotifywait, jq and mv in a loop, as it is written by hand: inotifywait_loop.sh ROOT
root=$1
rules='
  ([.scores[]] | sort | reverse) as $top
  | if .confidence < 0.6 or $top[0] - $top[1] < 0.05 or $top[0] < 0.3 then "low_quality" else "normal" end'

mkdir -p "$root/normal" "$root/low_quality"
inotifywait --monitor --recursive --event close_write --format '%w%f' \
  "@$root/normal" "@$root/low_quality" "$root" |
  while read -r file; do
    [[ $file == */result.json ]] || continue
    verdict=$(jq --raw-output "$rules" "$file") && mv "${file%/*}" "$root/$verdict/"
  done
